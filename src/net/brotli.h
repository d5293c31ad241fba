/* SPDX-License-Identifier: MIT */
/* brotli.h - decodes a body with Content-Encoding: br (RFC 7932), where libbrotlidec was there when
 * this was built. Only brotli.c includes its header. One thread at a time. */
#ifndef BROTLI_H
#define BROTLI_H

#include <stddef.h>

#include "base/buf.h"

struct brotli;

/* 1: this build can decode it. Else the other functions are not called. */
int brotli_is_there(void);

/* NULL: no memory. */
struct brotli *brotli_new(void);
void brotli_free(struct brotli *d); /* NULL is fine */

/* As inflate_put() and inflate_is_whole(). */
const char *brotli_put(struct brotli *d, const char *bytes, size_t n, struct buf *out);
int brotli_is_whole(const struct brotli *d);

#endif
