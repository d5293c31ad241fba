/* SPDX-License-Identifier: MIT */
/* conditional.c - ranges, conditions and max-age of a client's request (http/conditional). */
#include "http/conditional.h"
#include "fuzz.h"

static void check_range(const char *text, uint64_t n)
{
    uint64_t first = 0, last = 0;

    if (conditional_range(text, n, &first, &last) == RANGE_PART)
        HOLDS(first <= last && last < n);
}

FUZZ_TARGET
{
    struct fuzz in = {data, size};
    uint64_t n = fuzz_byte(&in) | (uint64_t)fuzz_byte(&in) << 8, seconds;
    size_t len;
    char *text = fuzz_copy(&in, in.left, &len), etag[ETAG_BYTES];
    int age, strong;

    check_range(text, n);
    check_range(text, n << 48);
    age = conditional_max_age(text, &seconds);
    HOLDS(age >= -1 && age <= 1);
    conditional_etag_print(conditional_etag(text, len), etag);
    HOLDS(conditional_etag_is(etag, etag) && conditional_etag_matches(etag, etag));
    strong = conditional_etag_matches_strongly(text, etag);
    HOLDS(!strong || conditional_etag_matches(text, etag)); /* a strong match is a weak one */
    HOLDS(!conditional_etag_is(text, etag) || strong);
    free(text);
    return 0;
}
