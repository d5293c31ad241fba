/* SPDX-License-Identifier: MIT */
/* decoder.h - decodes the body of an answer by its Content-Encoding: gzip, deflate, br, zstd.
 *
 * libcurl can decode, too. But it accepts a body that is cut short. One thread at a time. */
#ifndef DECODER_H
#define DECODER_H

#include <stddef.h>

#include "base/buf.h"
#include "net/head.h"

struct decoder;

/* The codings that this build can decode, as an Accept-Encoding. */
const char *decoder_codings(void);

/* Whether this build can decode it. Not of HEAD_PLAIN. */
int decoder_knows(enum head_coding coding);

/* Of a coding that it knows. NULL: no memory. */
struct decoder *decoder_new(enum head_coding coding);
void decoder_free(struct decoder *d); /* NULL is fine */

/* Decodes the next bytes of the body and appends them. Beyond the bound of the buffer, the buffer
 * fails. Returns NULL, or a literal that says what is wrong. */
const char *decoder_put(struct decoder *d, const char *bytes, size_t n, struct buf *out);

/* Whether the body may end here. */
int decoder_is_whole(const struct decoder *d);

#endif
