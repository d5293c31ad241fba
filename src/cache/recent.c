/* SPDX-License-Identifier: MIT */
#include "cache/recent.h"

#include <string.h>

#include "base/buf.h"
#include "base/mem.h"

struct entry {
    struct list link;
    uint64_t at_ms;
    size_t n;
    char key[];
};

void recent_init(struct recent *r)
{
    memset(r, 0, sizeof(*r));
    list_init(&r->keys);
}

static void drop_oldest(struct recent *r)
{
    struct entry *e = list_entry(list_pop_front(&r->keys), struct entry, link);

    r->n--;
    r->bytes -= e->n;
    if (e->at_ms > r->lost_ms)
        r->lost_ms = e->at_ms;
    mem_free(e);
}

void recent_deinit(struct recent *r)
{
    while (r->n)
        drop_oldest(r);
}

void recent_note_all(struct recent *r, uint64_t now_ms)
{
    recent_deinit(r);
    r->lost_ms = now_ms;
}

void recent_note(struct recent *r, const void *key, size_t n, uint64_t now_ms)
{
    struct entry *e = n <= RECENT_BYTES ? mem_alloc(sizeof(*e) + n) : NULL;

    if (!e) {
        recent_note_all(r, now_ms);
        return;
    }
    while (r->n && (r->n == RECENT_KEYS || r->bytes + n > RECENT_BYTES))
        drop_oldest(r);
    e->at_ms = now_ms;
    e->n = n;
    if (n)
        memcpy(e->key, key, n);
    list_push_back(&r->keys, &e->link);
    r->n++;
    r->bytes += n;
}

int recent_has(const struct recent *r, const void *key, size_t n, uint64_t since_ms)
{
    struct list *l;

    if (r->lost_ms && r->lost_ms >= since_ms)
        return 1;
    for (l = r->keys.prev; l != &r->keys; l = l->prev) {
        const struct entry *e = list_entry(l, struct entry, link);

        if (e->at_ms < since_ms)
            break;
        if (e->n == n && (!n || memcmp(e->key, key, n) == 0))
            return 1;
    }
    return 0;
}

int recent_put(const struct recent *r, uint64_t since_ms, struct buf *out)
{
    struct list *l;

    if (r->lost_ms && r->lost_ms >= since_ms)
        return 0;
    list_each (l, &r->keys) {
        const struct entry *e = list_entry(l, struct entry, link);

        if (e->at_ms < since_ms)
            continue;
        buf_put(out, (const char *)&e->n, sizeof(e->n));
        buf_put(out, e->key, e->n);
    }
    return !out->failed;
}
