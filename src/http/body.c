/* SPDX-License-Identifier: MIT */
#include "http/body.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

enum {
    FIRST_BYTES = 4096,
    /* libmicrohttpd takes no answer before the whole body has arrived. If the body is slightly too
     * large, the rest is read and dropped, so that the client is told. */
    EXCESS_BYTES = 1024 * 1024
};

void body_init(struct body *b, size_t max, size_t announced, struct budget *budget)
{
    *b = (struct body){.max = max, .announced = announced, .budget = budget};
    b->whole_ms = clock_ms() + BODY_SECONDS * 1000;
    b->until_ms = b->whole_ms - (BODY_SECONDS - BODY_FIRST_SECONDS) * 1000;
}

void body_deinit(struct body *b)
{
    mem_free(b->bytes);
    if (b->cap)
        budget_give(b->budget, b->cap);
    b->bytes = NULL;
    b->len = b->cap = 0;
}

void body_forget(struct body *b)
{
    mem_free(b->bytes);
    b->bytes = NULL;
    b->len = 0;
}

static enum err grow(struct body *b, size_t need)
{
    size_t cap = b->cap ? b->cap : FIRST_BYTES;
    char *bytes;

    while (cap < need)
        cap *= 2;
    if (cap > b->max)
        cap = b->max;
    if (!budget_take_for(b->budget, cap - b->cap, b->max))
        return ERR_BUSY;
    bytes = mem_realloc(b->bytes, cap);
    if (!bytes) {
        budget_give(b->budget, cap - b->cap);
        return ERR_NOMEM;
    }
    b->bytes = bytes;
    b->cap = cap;
    return ERR_OK;
}

int body_take(struct body *b, const char *bytes, size_t n)
{
    if (clock_ms() > b->until_ms)
        return 0;
    b->came += n;
    b->until_ms = n < b->whole_ms - b->until_ms ? b->until_ms + n : b->whole_ms; /* 1 KB a second */
    if (!b->failed && n > b->max - b->len)
        b->failed = ERR_TOOBIG;
    if (!b->failed && b->len + n > b->cap)
        b->failed = grow(b, b->len + n);
    if (b->failed) {
        body_deinit(b);
        return b->announced || b->came <= b->max + EXCESS_BYTES;
    }
    memcpy(b->bytes + b->len, bytes, n);
    b->len += n;
    return 1;
}
