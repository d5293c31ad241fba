/* SPDX-License-Identifier: MIT */
/* token.h - the bytes of an HTTP token (RFC 9110, 5.6.2): names of methods and headers. */
#ifndef TOKEN_H
#define TOKEN_H

#include <ctype.h>
#include <stddef.h>
#include <string.h>

static inline int token_byte(unsigned char c)
{
    return c < 0x80 && (isalnum(c) || (c && strchr("!#$%&'*+-.^_`|~", c)));
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
