/* SPDX-License-Identifier: MIT */
/* utf8.h - whether bytes are text. Pure functions, any thread. */
#ifndef UTF8_H
#define UTF8_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Whether the bytes are UTF-8, as in Unicode 3.9, table 3-7: no surrogates, no overlong forms,
 * nothing above U+10FFFF. */
int utf8_valid(const void *bytes, size_t n);

/* The same, and without control characters other than tab, line feed and carriage return. */
int utf8_is_text(const void *bytes, size_t n);

/* --- eight bytes at once --- */

enum { UTF8_WORD = 8 };

#define UTF8_EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

static inline uint64_t utf8_word(const void *bytes)
{
    uint64_t w;

    memcpy(&w, bytes, sizeof(w));
    return w;
}

/* Whether all eight are printable ASCII: 0x20 to 0x7e. No sum of a byte reaches the next byte. */
static inline int utf8_is_printable(uint64_t w)
{
    uint64_t low = w & UTF8_EACH(0x7f);

    return !((w | (low + UTF8_EACH(1)) | ~(low + UTF8_EACH(0x60))) & UTF8_EACH(0x80));
}

/* Whether one of them, all below 0x80, is that byte. */
static inline int utf8_has(uint64_t w, unsigned char byte)
{
    return (~((w ^ UTF8_EACH(byte)) + UTF8_EACH(0x7f)) & UTF8_EACH(0x80)) != 0;
}

#endif
