/* SPDX-License-Identifier: MIT */
#include "cache/reader.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/mem.h"
#include "cache/after.h"
#include "cache/group_in.h"
#include "cache/reader_hits.h"

enum {
    WAYS = 8,         /* slots that a key may have; a power of two, like the next */
    FIRST_SLOTS = 32, /* most readers ask for few keys */
    SLOTS_GROW = 4,   /* by that factor, until there are READER_SLOTS */
    FORGET_SLICE = 64 /* slots emptied in one critical section */
};

_Static_assert(FIRST_SLOTS *SLOTS_GROW *SLOTS_GROW *SLOTS_GROW == READER_SLOTS,
               "slots grow until there are just that many");

struct reader *reader_new(struct group *g)
{
    struct reader *r = mem_zalloc(sizeof(*r));

    r->group = group_ref(g);
    r->nslots = FIRST_SLOTS;
    r->slots = mem_zalloc(FIRST_SLOTS * sizeof(struct reader_slot));
    pthread_mutex_lock(&g->mu);
    list_push_back(&g->readers, &r->link);
    pthread_mutex_unlock(&g->mu);
    return r;
}

struct group *reader_group(const struct reader *r)
{
    return r->group;
}

unsigned reader_slots(const struct reader *r)
{
    return r->nslots;
}

static void note_hit(struct reader *r, struct reader_slot *s)
{
    uint32_t noted = atomic_load_explicit(&r->noted, memory_order_relaxed);

    if (noted - atomic_load_explicit(&r->counted, memory_order_acquire) == READER_RING) {
        pthread_mutex_lock(&r->group->mu);
        reader_hits_count_one_locked(r);
        pthread_mutex_unlock(&r->group->mu);
    }
    r->ring[noted % READER_RING] = s;
    atomic_store_explicit(&r->noted, noted + 1, memory_order_release);
}

/* --- slots --- */

/* Puts `it` (a reference, or NULL) into the slot and returns the old item. The ring is empty. */
static struct item *exchange_locked(struct group *g, struct reader_slot *s, struct item *it)
{
    struct item *was = s->item;

    if (was) {
        g->stats.remembered_items--;
        g->stats.remembered_bytes -= item_cost(was);
    }
    if (it) {
        g->stats.remembered_items++;
        g->stats.remembered_bytes += item_cost(it);
    }
    s->item = it;
    return was;
}

/* Empties the slots from `at` on, up to `end`. */
static void empty(struct reader *r, unsigned at, unsigned end)
{
    unsigned i, n;

    while (at < end) {
        struct item *was[FORGET_SLICE];

        pthread_mutex_lock(&r->group->mu);
        reader_hits_count_one_locked(r);
        for (n = 0; n < FORGET_SLICE && at < end; at++) {
            if (r->slots[at].item)
                was[n++] = exchange_locked(r->group, &r->slots[at], NULL);
        }
        pthread_mutex_unlock(&r->group->mu);
        for (i = 0; i < n; i++)
            item_unref(was[i]);
    }
}

void reader_forget(struct reader *r, unsigned slot)
{
    if (slot < r->nslots)
        empty(r, slot, slot + 1);
}

void reader_forget_all(struct reader *r)
{
    empty(r, 0, r->nslots);
}

void reader_free(struct reader *r)
{
    struct group *g;

    if (!r)
        return;
    g = r->group;
    reader_forget_all(r);
    pthread_mutex_lock(&g->mu);
    list_del(&r->link);
    pthread_mutex_unlock(&g->mu);
    mem_free(r->slots);
    mem_free(r);
    group_unref(g);
}

static struct reader_slot *way(const struct reader *r, const void *key, unsigned i)
{
    uint64_t h = (uint64_t)(uintptr_t)key * UINT64_C(0x9e3779b97f4a7c15); /* Knuth, 6.4 */

    return &r->slots[((h >> 32) + i) & (r->nslots - 1)];
}

static struct reader_slot *find_slot(const struct reader *r, const void *key, size_t key_len)
{
    unsigned i;

    for (i = 0; i < WAYS; i++) {
        struct reader_slot *s = way(r, key, i);

        if (s->key == key && s->item && item_has_key(s->item, key, key_len))
            return s;
    }
    return NULL;
}

static struct reader_slot *free_way(const struct reader *r, const void *key)
{
    unsigned i;

    for (i = 0; i < WAYS; i++) {
        struct reader_slot *s = way(r, key, i);

        if (!s->item)
            return s;
    }
    return NULL;
}

/* The items are found again at their next gets. */
static void grow(struct reader *r)
{
    reader_forget_all(r);
    mem_free(r->slots);
    r->nslots *= SLOTS_GROW;
    r->slots = mem_zalloc(r->nslots * sizeof(struct reader_slot));
}

static struct reader_slot *take_slot(struct reader *r, const void *key)
{
    struct reader_slot *s = free_way(r, key);

    if (!s && r->nslots < READER_SLOTS) {
        grow(r);
        s = free_way(r, key);
    }
    return s ? s : way(r, key, r->next_way++ % WAYS);
}

/* --- gets --- */

static enum hit look_up(struct reader *r, struct reader_slot *s, const struct key_ref *k,
                        struct recalled *out)
{
    struct group *g = r->group;
    struct item *was = NULL, *it;
    struct after a;
    enum source source;
    int same;

    after_init(&a);
    pthread_mutex_lock(&g->mu);
    reader_hits_count_one_locked(r);
    it = group_look_locked(g, k, &source, &a);
    same = it && it == s->item;
    if (!same)
        was = exchange_locked(g, s, it ? item_ref(it) : NULL);
    s->key = k->bytes;
    s->epoch =
        it && source == SOURCE_MAIN ? atomic_load_explicit(&g->epoch, memory_order_relaxed) : 0;
    pthread_mutex_unlock(&g->mu);
    item_unref(was);
    if (a.dropped)
        after_run(g, &a);
    if (a.ahead)
        group_load_ahead(g, k);
    if (!it)
        return HIT_NONE;
    *out = (struct recalled){it, source, (unsigned)(s - r->slots)};
    return same ? HIT_SAME : HIT_OTHER;
}

/* Whether the slot's item is the value of its key, as far as the item says. */
static int is_current(const struct reader *r, const struct reader_slot *s)
{
    const struct item *it = s->item;

    return s->epoch == atomic_load_explicit(&r->group->epoch, memory_order_acquire) &&
           item_is_in(it) &&
           !(it->expires_ms &&
             it->expires_ms <=
                 clock_ms() + atomic_load_explicit(&r->group->ahead_ms, memory_order_relaxed));
}

enum hit reader_recall(struct reader *r, const void *key, size_t key_len, struct recalled *out)
{
    struct reader_slot *s = find_slot(r, key, key_len);
    struct key_ref k;

    if (!s || !is_current(r, s)) {
        k = s ? (struct key_ref){key, key_len, s->item->hash} : group_key(key, key_len);
        return look_up(r, s ? s : take_slot(r, key), &k, out);
    }
    note_hit(r, s);
    *out = (struct recalled){s->item, SOURCE_MAIN, (unsigned)(s - r->slots)};
    return HIT_SAME;
}
