/* SPDX-License-Identifier: MIT */
/* token.h - the bytes of an HTTP token (RFC 9110, 5.6.2): names of methods and headers. */
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

#endif
