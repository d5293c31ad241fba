/* SPDX-License-Identifier: MIT */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

enum { FIRST_CAP = 256 };

void buf_init(struct buf *b, size_t max)
{
    memset(b, 0, sizeof(*b));
    b->max = max;
}

void buf_deinit(struct buf *b)
{
    mem_free(b->data);
    b->data = NULL;
    b->len = b->cap = 0;
}

void buf_reset(struct buf *b)
{
    b->len = 0;
    b->failed = ERR_OK;
}

/* Makes room for n bytes, and for `spare` ones behind them that do not count against the bound. */
static enum err reserve(struct buf *b, size_t n, size_t spare)
{
    size_t cap;
    char *data;

    if (b->failed)
        return b->failed;
    if (n > (size_t)-1 / 4 - b->len || (b->max && b->len + n > b->max))
        return b->failed = ERR_TOOBIG;
    if (b->len + n + spare <= b->cap)
        return ERR_OK;
    cap = b->cap ? b->cap : FIRST_CAP;
    while (cap < b->len + n + spare)
        cap *= 2;
    if (b->max && cap > b->max + spare)
        cap = b->max + spare;
    data = mem_realloc(b->data, cap);
    if (!data)
        return b->failed = ERR_NOMEM;
    b->data = data;
    b->cap = cap;
    return ERR_OK;
}

enum err buf_reserve(struct buf *b, size_t n)
{
    return reserve(b, n, 0);
}

enum err buf_put(struct buf *b, const void *bytes, size_t n)
{
    enum err err = buf_reserve(b, n);

    if (err)
        return err;
    if (n)
        memcpy(b->data + b->len, bytes, n);
    b->len += n;
    return ERR_OK;
}

enum err buf_puts(struct buf *b, const char *s)
{
    return buf_put(b, s, strlen(s));
}

enum err buf_putf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    enum err err;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0)
        return b->failed = ERR_INVAL;
    err = reserve(b, (size_t)n, 1); /* vsnprintf writes a NUL, which is not kept */
    if (err)
        return err;
    va_start(ap, fmt);
    vsnprintf(b->data + b->len, (size_t)n + 1, fmt, ap);
    va_end(ap);
    b->len += (size_t)n;
    return ERR_OK;
}

char *buf_take(struct buf *b, size_t *len)
{
    char *data = b->data;

    *len = b->len;
    b->data = NULL;
    b->len = b->cap = 0;
    return data;
}
