/* SPDX-License-Identifier: MIT */
/* inflate.h - decodes the body of an answer that came with Content-Encoding: gzip or deflate.
 *
 * Any number of members of gzip (RFC 1952) is decoded. Only inflate.c includes zlib's header.
 *
 * One thread at a time. */
#ifndef INFLATE_H
#define INFLATE_H

#include <stddef.h>

#include "base/buf.h"

enum inflate_coding { INFLATE_GZIP, INFLATE_DEFLATE };

struct inflate;

/* NULL: no memory. */
struct inflate *inflate_new(enum inflate_coding coding);
void inflate_free(struct inflate *d); /* NULL is fine */

/* Decodes the next bytes of the body and appends them. Beyond the bound of the buffer, the buffer
 * fails. Returns NULL, or a literal that says what is wrong. */
const char *inflate_put(struct inflate *d, const char *bytes, size_t n, struct buf *out);

/* Whether the body may end here. */
int inflate_is_whole(const struct inflate *d);

#endif
