/* SPDX-License-Identifier: MIT */
#include "base/num.h"

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
