/* SPDX-License-Identifier: MIT */
#include "cache/lru.h"

#include <assert.h>
#include <stdatomic.h>
#include <string.h>

#include "base/mem.h"

enum {
    FIRST_BUCKETS = 64,
    MOVE_STEP = 4 /* old buckets moved by a put while the table grows: more than a put adds */
};

struct table {
    struct item **buckets; /* owned */
    size_t mask;           /* number of buckets, less one */
};

struct lru {
    struct table table;
    struct table old; /* while growing: buckets from `moved` on are still here; else NULL */
    size_t moved;
    enum eviction eviction;
    struct list order; /* newest first: used, or put in */
    struct list *hand; /* SIEVE's: the item that it looks at next; the sentinel: the oldest */
    size_t swept;      /* bucket at which lru_sweep() goes on */
    uint64_t mortals;  /* items with an expiry */
    struct lru_stats stats;
};

static size_t table_bytes(const struct table *t)
{
    return t->buckets ? mem_cost(t->buckets) : 0;
}

struct lru *lru_new(void)
{
    struct lru *l = mem_zalloc(sizeof(*l));

    l->table.buckets = mem_zalloc(FIRST_BUCKETS * sizeof(struct item *));
    l->table.mask = FIRST_BUCKETS - 1;
    list_init(&l->order);
    l->hand = &l->order;
    return l;
}

void lru_free(struct lru *l)
{
    struct list *order;

    if (!l)
        return;
    while ((order = list_pop_front(&l->order)))
        item_unref(list_entry(order, struct item, order));
    mem_free(l->table.buckets);
    mem_free(l->old.buckets);
    mem_free(l);
}

/* The bucket of a hash. */
static struct item **bucket(const struct lru *l, uint32_t hash)
{
    if (l->old.buckets && (hash & l->old.mask) >= l->moved)
        return &l->old.buckets[hash & l->old.mask];
    return &l->table.buckets[hash & l->table.mask];
}

/* The place of the pointer to the item of that key, or of the NULL at the end of its chain. */
static struct item **find(const struct lru *l, const struct key_ref *k)
{
    struct item **at = bucket(l, k->hash);

    while (*at && !item_is(*at, k))
        at = &(*at)->chain;
    return at;
}

static void move_some(struct lru *l)
{
    size_t i;

    for (i = 0; i < MOVE_STEP && l->old.buckets; i++) {
        struct item *it = l->old.buckets[l->moved], *next;

        for (; it; it = next) {
            struct item **at = &l->table.buckets[it->hash & l->table.mask];

            next = it->chain;
            it->chain = *at;
            *at = it;
        }
        l->old.buckets[l->moved] = NULL;
        if (l->moved++ == l->old.mask) {
            mem_free(l->old.buckets);
            l->old.buckets = NULL;
        }
    }
}

/* Without memory for a larger table the chains just become longer. */
static void grow(struct lru *l)
{
    size_t n = (l->table.mask + 1) * 2;
    struct item **buckets;

    if (l->old.buckets || n > UINT32_MAX)
        return;
    buckets = mem_alloc(n * sizeof(struct item *));
    if (!buckets)
        return;
    memset(buckets, 0, n * sizeof(struct item *));
    l->old = l->table;
    l->moved = 0;
    l->table.buckets = buckets;
    l->table.mask = n - 1;
}

struct item *lru_peek(const struct lru *l, const struct key_ref *k)
{
    return *find(l, k);
}

/* Readers read it without the caller's mutex. */
static void set_place(struct item *it, unsigned place)
{
    atomic_store_explicit(&it->place, (uint8_t)place, memory_order_release);
}

static unsigned place_of(const struct item *it)
{
    return atomic_load_explicit(&it->place, memory_order_relaxed);
}

void lru_count_hit(struct lru *l)
{
    l->stats.gets++;
    l->stats.hits++;
}

void lru_use(struct lru *l, struct item *it)
{
    lru_count_hit(l);
    if (!(place_of(it) & ITEM_VISITED))
        set_place(it, ITEM_IN | ITEM_VISITED);
    if (l->eviction == EVICT_LRU && l->order.next != &it->order) {
        list_del(&it->order);
        list_push_front(&l->order, &it->order);
    }
}

struct item *lru_get(struct lru *l, const struct key_ref *k)
{
    struct item *it = lru_peek(l, k);

    if (it)
        lru_use(l, it);
    else
        l->stats.gets++;
    return it;
}

/* Unhooks what *at points to and returns it. */
static struct item *take(struct lru *l, struct item **at)
{
    struct item *it = *at;

    if (!it)
        return NULL;
    *at = it->chain;
    it->chain = NULL;
    set_place(it, ITEM_OUT);
    if (l->hand == &it->order)
        l->hand = it->order.prev;
    list_del(&it->order);
    l->stats.items--;
    l->stats.bytes -= item_cost(it);
    l->mortals -= it->expires_ms ? 1 : 0;
    return it;
}

struct item *lru_put(struct lru *l, struct item *it)
{
    struct item *displaced, **at;

    move_some(l);
    displaced = lru_del_same(l, it);
    if (l->stats.items > l->table.mask)
        grow(l);
    at = bucket(l, it->hash);
    it->chain = *at;
    *at = it;
    assert(place_of(it) == ITEM_NEW);
    set_place(it, ITEM_IN);
    list_push_front(&l->order, &it->order);
    l->stats.items++;
    l->stats.bytes += item_cost(it);
    l->mortals += it->expires_ms ? 1 : 0;
    return displaced;
}

struct item *lru_del(struct lru *l, const struct key_ref *k)
{
    return take(l, find(l, k));
}

struct item *lru_del_same(struct lru *l, const struct item *it)
{
    struct key_ref k = item_key_ref(it);

    return lru_del(l, &k);
}

/* SIEVE does not move an item that is used, so those that were used since the hand passed them are
 * taken first. */
size_t lru_newest(const struct lru *l, size_t n, struct item **out)
{
    int pass, sieve = l->eviction != EVICT_LRU;
    size_t found = 0;
    struct list *at;

    for (pass = sieve ? 0 : 1; pass < 2; pass++)
        list_each (at, &l->order) {
            struct item *it = list_entry(at, struct item, order);
            int visited = sieve && place_of(it) & ITEM_VISITED;

            if (found == n)
                return n;
            if (!sieve || (pass == 0) == !!visited)
                out[found++] = item_ref(it);
        }
    return found;
}

const struct item *lru_oldest(const struct lru *l)
{
    return list_empty(&l->order) ? NULL : list_entry(l->order.prev, struct item, order);
}

/* If every item was asked for, the hand returns to where it began, and evicts that item. */
static struct item *next_sieved(struct lru *l)
{
    struct list *at = l->hand;

    for (;;) {
        struct item *it;

        if (at == &l->order)
            at = l->order.prev;
        it = list_entry(at, struct item, order);
        if (!(place_of(it) & ITEM_VISITED)) {
            l->hand = at;
            return it;
        }
        set_place(it, ITEM_IN);
        at = at->prev;
    }
}

struct item *lru_evict(struct lru *l)
{
    struct item *it;

    if (list_empty(&l->order))
        return NULL;
    it =
        l->eviction == EVICT_SIEVE ? next_sieved(l) : list_entry(l->order.prev, struct item, order);
    l->stats.evictions++;
    return lru_del_same(l, it);
}

void lru_get_missed(struct lru *l)
{
    l->stats.hits--;
}

size_t lru_buckets(const struct lru *l)
{
    return l->table.mask + 1;
}

uint64_t lru_mortals(const struct lru *l)
{
    return l->mortals;
}

/* While the table grows, an old bucket holds the items of two new ones, and is looked at twice. */
size_t lru_sweep(struct lru *l, size_t n, int (*over)(void *arg, const struct item *it), void *arg,
                 struct list *out)
{
    size_t i;

    for (i = 0; i < n && i <= l->table.mask; i++) {
        struct item **at = bucket(l, (uint32_t)(l->swept++ & l->table.mask));

        while (*at) {
            if (over(arg, *at))
                list_push_back(out, &take(l, at)->order);
            else
                at = &(*at)->chain;
        }
    }
    return i;
}

static size_t chain_length(const struct item *it)
{
    size_t n = 0;

    for (; it; it = it->chain)
        n++;
    return n;
}

size_t lru_walk(struct lru *l, size_t *at, struct item **out, size_t max)
{
    size_t n = 0, looked = 0;

    while (*at <= l->table.mask && looked++ < max) {
        struct item *it = *bucket(l, (uint32_t)*at);

        if (n && n + chain_length(it) > max)
            return n;
        for (; it && n < max; it = it->chain)
            out[n++] = it;
        ++*at;
    }
    if (*at > l->table.mask)
        *at = SIZE_MAX;
    return n;
}

void lru_set_eviction(struct lru *l, enum eviction e)
{
    l->eviction = e;
}

uint64_t lru_clear(struct lru *l, struct lru *spare, struct list *out)
{
    struct table empty = spare->table;
    uint64_t bytes = l->stats.bytes;

    spare->table = l->table;
    spare->old = l->old;
    l->table = empty;
    l->old.buckets = NULL;
    l->stats.items = 0;
    l->stats.bytes = 0;
    l->mortals = 0;
    list_splice_back(out, &l->order);
    l->hand = &l->order;
    return bytes;
}

uint64_t lru_bytes(const struct lru *l)
{
    return l->stats.bytes + table_bytes(&l->table) + table_bytes(&l->old);
}

void lru_stats(const struct lru *l, struct lru_stats *out)
{
    *out = l->stats;
    out->bytes = lru_bytes(l);
}
