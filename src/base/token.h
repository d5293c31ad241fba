/* SPDX-License-Identifier: MIT */
/* token.h - the bytes of an HTTP token (RFC 9110, 5.6.2): names of methods and headers; and those
 * of a header's value (5.5). Pure functions. */
#ifndef TOKEN_H
#define TOKEN_H

#include <stddef.h>
#include <stdint.h>

/* One bit for each byte: digits, letters and !#$%&'*+-.^_`|~ */
static inline int token_byte(unsigned char c)
{
    static const uint64_t bits[4] = {0x03ff6cfa00000000u, 0x57ffffffc7fffffeu, 0, 0};

    return (int)(bits[c >> 6] >> (c & 63) & 1);
}

/* How many bytes of a token s begins with, n at most. */
static inline size_t token_len(const char *s, size_t n)
{
    size_t i = 0;

    while (i < n && token_byte((unsigned char)s[i]))
        i++;
    return i;
}

/* Whether a header may have the value: no line end, NUL or other control byte, but for tabs. */
static inline int token_is_value(const char *s, size_t n)
{
    size_t i;

    for (i = 0; i < n; i++)
        if (((unsigned char)s[i] < ' ' && s[i] != '\t') || s[i] == 0x7f)
            return 0;
    return 1;
}

#endif
