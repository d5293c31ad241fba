/* SPDX-License-Identifier: MIT */
/* extra.c - the extras of a value as another node or a file has them (cache/extra). */
#include "cache/extra.h"
#include "fuzz.h"

/* What is taken for extras is read to its end, and nothing behind it. */
static void read_all(const char *bytes, size_t n)
{
    const char *at = bytes, *end = bytes + n;
    uint32_t hashes[EXTRA_TAGS];
    struct extra_field f;
    uint64_t ms;

    while (extra_next(&at, end, &f))
        HOLDS(f.bytes + f.n <= end);
    HOLDS(at == end);
    HOLDS(extra_status(bytes, n) >= EXTRA_OK && extra_status(bytes, n) <= 599);
    HOLDS(extra_tag_hashes(bytes, n, hashes) <= EXTRA_TAGS);
    extra_window(bytes, n, EXTRA_IF_ERROR, &ms);
    extra_header(bytes, n, "etag");
}

/* A header that is taken is one that extra_check() takes. */
static void write_header(const char *bytes, size_t n)
{
    static struct extra x;
    size_t name_len = 0;
    struct error e;

    extra_init(&x);
    while (name_len < n && bytes[name_len] != ':')
        name_len++;
    if (name_len < n &&
        !extra_put_header(&x, bytes, name_len, bytes + name_len + 1, n - name_len - 1, &e))
        HOLDS(extra_check(x.bytes, x.n));
}

FUZZ_TARGET
{
    struct fuzz in = {data, size};
    size_t n;
    char *bytes = fuzz_bytes(&in, in.left, &n);

    if (n && extra_check(bytes, n))
        read_all(bytes, n);
    if (n)
        write_header(bytes, n);
    free(bytes);
    return 0;
}
