/* SPDX-License-Identifier: MIT */
#include "base/num.h"

#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int num_parse_u64(const char *s, size_t n, uint64_t max, uint64_t *out)
{
    int above = 0;
    size_t i;

    *out = 0;
    for (i = 0; i < n; i++) {
        uint64_t digit = (uint64_t)(unsigned char)s[i] - '0';

        if (digit > 9) {
            *out = 0;
            return 0;
        }
        above = above || *out > max / 10 || digit > max - *out * 10;
        *out = above ? max : *out * 10 + digit;
    }
    return n && !above;
}

size_t num_digits(const char *text)
{
    return strspn(text, "0123456789");
}

/* --- doubles --- */

#define NUM_WHOLE_MAX 9007199254740992.0 /* 2^53: each whole number up to it is a double */

static locale_t plain; /* set once */

static void make_plain(void)
{
    plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

/* The thread's locale becomes C's. Returns what it was. */
static locale_t enter_plain(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, make_plain);
    return uselocale(plain);
}

size_t num_put_double(char out[NUM_DOUBLE_MAX], double x)
{
    locale_t before;
    int digits, n;

    if (fabs(x) <= NUM_WHOLE_MAX && x == floor(x) && !(x == 0 && signbit(x)))
        return (size_t)snprintf(out, NUM_DOUBLE_MAX, "%lld", (long long)x);
    before = enter_plain();
    for (digits = 15;; digits++) {
        n = snprintf(out, NUM_DOUBLE_MAX, "%.*g", digits, x);
        if (digits == 17 || strtod(out, NULL) == x)
            break;
    }
    uselocale(before);
    return (size_t)n;
}

double num_get_double(const char *text, const char **end)
{
    locale_t before = enter_plain();
    char *stopped;
    double x = strtod(text, &stopped);

    uselocale(before);
    *end = stopped;
    return x;
}

int num_is_exact(const char *s, size_t n, double x)
{
    char digits[400]; /* DBL_MAX has 309 */

    if (fabs(x) < NUM_WHOLE_MAX)
        return 1;
    return (size_t)snprintf(digits, sizeof(digits), "%.0f", fabs(x)) == n && !memcmp(digits, s, n);
}
