/* SPDX-License-Identifier: MIT */
/* utf8.h - whether bytes are text. Pure functions, any thread. */
#ifndef UTF8_H
#define UTF8_H

#include <stddef.h>

/* Whether the bytes are UTF-8, as in Unicode 3.9, table 3-7: no surrogates, no overlong forms,
 * nothing above U+10FFFF. */
int utf8_valid(const void *bytes, size_t n);

/* The same, and without control characters other than tab, line feed and carriage return. */
int utf8_is_text(const void *bytes, size_t n);

#endif
