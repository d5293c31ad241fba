/* SPDX-License-Identifier: MIT */
/* buf.h - a growing run of bytes with an optional bound.
 *
 * A failed append (no memory, or over the bound) sets `failed`, and every later append does
 * nothing. So a caller may write a whole text and check once at the end. One thread at a time. */
#ifndef BUF_H
#define BUF_H

#include <stddef.h>

#include "base/err.h"

struct buf {
    char *data;      /* owned; NULL while empty */
    size_t len, cap; /* bytes */
    size_t max;      /* no append beyond this many bytes; 0 is no bound */
    enum err failed; /* ERR_OK, ERR_NOMEM or ERR_TOOBIG */
};

void buf_init(struct buf *b, size_t max);
void buf_deinit(struct buf *b);

/* Empties it, keeps the memory and the bound, forgets a failure. */
void buf_reset(struct buf *b);

/* Makes room for n more bytes. */
enum err buf_reserve(struct buf *b, size_t n);

enum err buf_put(struct buf *b, const void *bytes, size_t n);
enum err buf_puts(struct buf *b, const char *s);
enum err buf_putf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Hands the bytes over (the caller frees them with mem_free) and empties the buffer. */
char *buf_take(struct buf *b, size_t *len);

#endif
