/* SPDX-License-Identifier: MIT */
/* zst.h - decodes a body with Content-Encoding: zstd (RFC 8878), where libzstd was there when
 * this was built. Only zst.c includes its header. One thread at a time. */
#ifndef ZST_H
#define ZST_H

#include <stddef.h>

#include "base/buf.h"

struct zst;

/* 1: this build can decode it. Else the other functions are not called. */
int zst_is_there(void);

/* NULL: no memory. */
struct zst *zst_new(void);
void zst_free(struct zst *d); /* NULL is fine */

/* As inflate_put() and inflate_is_whole(). */
const char *zst_put(struct zst *d, const char *bytes, size_t n, struct buf *out);
int zst_is_whole(const struct zst *d);

#endif
