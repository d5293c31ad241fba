/* SPDX-License-Identifier: MIT */
#include "cache/recent.h"

#include <stdlib.h>
#include <string.h>

static void keep_key(struct recent_load *l, const struct key_ref *k)
{
    l->key_len = (uint32_t)k->n;
    memcpy(l->key, k->bytes, k->n < sizeof(l->key) ? k->n : sizeof(l->key));
}

static int is_same(const struct recent_load *l, const char *source, const struct error *e)
{
    return l->at_ms && l->code == e->code && strcmp(l->source, source) == 0 &&
           strncmp(l->text, e->msg, sizeof(l->text) - 1) == 0;
}

void recent_failed(struct recent *r, const char *source, const struct key_ref *k,
                   const struct error *e, uint64_t now_ms)
{
    struct recent_load *l = &r->failed[0];
    size_t i, n;

    for (i = 0; i < RECENT_LOADS && !is_same(&r->failed[i], source, e); i++)
        if (r->failed[i].at_ms < l->at_ms)
            l = &r->failed[i]; /* the oldest, or a free place */
    if (i < RECENT_LOADS) {
        l = &r->failed[i];
    } else {
        l->n = 0;
        l->code = e->code;
        l->source = source;
        n = strnlen(e->msg, sizeof(l->text) - 1);
        memcpy(l->text, e->msg, n);
        l->text[n] = '\0';
    }
    l->n++;
    l->at_ms = now_ms;
    keep_key(l, k);
}

static int is_past(const struct recent_load *l, uint64_t now_ms)
{
    return l->at_ms + RECENT_SLOW_MS <= now_ms;
}

void recent_took(struct recent *r, const struct key_ref *k, uint64_t took_us, uint64_t now_ms)
{
    struct recent_load *least = NULL;
    size_t i;

    for (i = 0; i < RECENT_LOADS; i++) {
        struct recent_load *l = &r->slow[i];

        if (!l->at_ms || is_past(l, now_ms)) {
            least = l;
            break;
        }
        if (!least || l->took_us < least->took_us)
            least = l;
    }
    if (i == RECENT_LOADS && least->took_us >= took_us)
        return;
    least->at_ms = now_ms;
    least->took_us = took_us;
    keep_key(least, k);
}

static int by_end(const void *a, const void *b)
{
    const struct recent_load *x = a, *y = b;

    return x->at_ms < y->at_ms ? 1 : x->at_ms > y->at_ms ? -1 : 0;
}

size_t recent_list_failed(const struct recent *r, struct recent_load out[RECENT_LOADS])
{
    size_t i, n = 0;

    for (i = 0; i < RECENT_LOADS; i++)
        if (r->failed[i].at_ms)
            out[n++] = r->failed[i];
    qsort(out, n, sizeof(*out), by_end);
    return n;
}

static int by_time_taken(const void *a, const void *b)
{
    const struct recent_load *x = a, *y = b;

    return x->took_us < y->took_us ? 1 : x->took_us > y->took_us ? -1 : 0;
}

size_t recent_list_slow(const struct recent *r, uint64_t now_ms,
                        struct recent_load out[RECENT_LOADS])
{
    size_t i, n = 0;

    for (i = 0; i < RECENT_LOADS; i++)
        if (r->slow[i].at_ms && !is_past(&r->slow[i], now_ms))
            out[n++] = r->slow[i];
    qsort(out, n, sizeof(*out), by_time_taken);
    return n;
}
