/* SPDX-License-Identifier: MIT */
/* pct.h - percent-encoding of one path segment, with lengths: a key may hold any byte.
 *
 * The rules are RFC 3986's: everything but the unreserved bytes A-Z a-z 0-9 - . _ ~ is written as
 * %XX, in capitals. */
#ifndef PCT_H
#define PCT_H

#include <stddef.h>
#include <sys/types.h>

#include "base/buf.h"

/* Appends the n bytes, encoded. A segment that is "." or ".." is encoded whole, so that no client
 * or proxy takes it for a step in the path. */
enum err pct_encode(struct buf *out, const void *bytes, size_t n);

/* Decodes n bytes of text into out, which has room for n. Raw control bytes, spaces and 0x7f are
 * refused, as is a percent sign without two hex digits. `plus_is_space` reads a raw '+' as a space.
 * Returns the number of bytes written, -1 for text that is refused. out may be the same memory as
 * text. */
ssize_t pct_decode(char *out, const char *text, size_t n, int plus_is_space);

#endif
