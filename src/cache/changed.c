/* SPDX-License-Identifier: MIT */
#include "cache/changed.h"

#include <string.h>

#include "base/buf.h"
#include "base/mem.h"

struct entry {
    struct list link;
    uint64_t at_ms;
    size_t n;
    char key[];
};

void changed_init(struct changed *r)
{
    memset(r, 0, sizeof(*r));
    list_init(&r->keys);
}

static void drop_oldest(struct changed *r)
{
    struct entry *e = list_entry(list_pop_front(&r->keys), struct entry, link);

    r->n--;
    r->bytes -= e->n;
    if (e->at_ms > r->lost_ms)
        r->lost_ms = e->at_ms;
    mem_free(e);
}

void changed_deinit(struct changed *r)
{
    while (r->n)
        drop_oldest(r);
}

void changed_note_all(struct changed *r, uint64_t now_ms)
{
    changed_deinit(r);
    r->lost_ms = now_ms;
}

void changed_note(struct changed *r, const void *key, size_t n, uint64_t now_ms)
{
    struct entry *e = n <= CHANGED_BYTES ? mem_alloc(sizeof(*e) + n) : NULL;

    if (!e) {
        changed_note_all(r, now_ms);
        return;
    }
    while (r->n && (r->n == CHANGED_KEYS || r->bytes + n > CHANGED_BYTES))
        drop_oldest(r);
    e->at_ms = now_ms;
    e->n = n;
    if (n)
        memcpy(e->key, key, n);
    list_push_back(&r->keys, &e->link);
    r->n++;
    r->bytes += n;
}

int changed_has(const struct changed *r, const void *key, size_t n, uint64_t since_ms)
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

int changed_put(const struct changed *r, uint64_t since_ms, struct buf *out)
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
