/* SPDX-License-Identifier: MIT */
#include "cache/lru.h"

#include <assert.h>
#include <stdatomic.h>
#include <string.h>

#include "base/mem.h"
#include "cache/order.h"

enum {
    FIRST_BUCKETS = 64,
    MOVE_STEP = 4,      /* old buckets moved by a put while the table grows: more than a put adds */
    LINE = 64,          /* bytes of a line of the processor's cache */
    FETCHED = 3 * LINE, /* bytes of an item: its head, a short key, the beginning of the value */
    SPARSE = 4,         /* times as many buckets as its items need: a table shrinks */
    USED = 16           /* uses that are moved into the order together, at most */
};

struct table {
    struct item **buckets; /* owned */
    size_t mask;           /* number of buckets, less one */
    size_t bytes;          /* what the buckets cost */
};

struct lru {
    struct table table;
    struct table old; /* while growing: buckets from `moved` on are still here; else NULL */
    size_t moved;
    struct order order;
    struct item *used[USED]; /* in it: their uses are not in the order yet, first use first */
    unsigned nused;
    size_t swept;     /* bucket at which lru_sweep() goes on */
    uint64_t mortals; /* items with an expiry */
    struct lru_stats stats;
    _Atomic uint64_t *taken; /* borrowed, or NULL */
};

struct lru *lru_new(void)
{
    struct lru *l = mem_zalloc(sizeof(*l));

    l->table.buckets = mem_zalloc(FIRST_BUCKETS * sizeof(struct item *));
    l->table.mask = FIRST_BUCKETS - 1;
    l->table.bytes = mem_cost(l->table.buckets);
    order_init(&l->order);
    return l;
}

void lru_count_taken(struct lru *l, _Atomic uint64_t *taken)
{
    l->taken = taken;
}

void lru_free(struct lru *l)
{
    struct list items, *at;

    if (!l)
        return;
    list_init(&items);
    order_deinit(&l->order);
    order_clear(&l->order, &l->order, &items);
    while ((at = list_pop_front(&items)))
        item_unref(list_entry(at, struct item, order));
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

/* The place of the pointer to an item that is in it. */
static struct item **place_of(const struct lru *l, const struct item *it)
{
    struct item **at = bucket(l, it->hash);

    while (*at != it)
        at = &(*at)->chain;
    return at;
}

/* So many items need no larger table. With one item a bucket at most, a get would look at an eighth
 * fewer items, and each entry would cost up to 5 bytes more. */
static size_t fitting(size_t buckets)
{
    return buckets + buckets / 2;
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
            l->old = (struct table){0};
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
    mem_use_large_pages(buckets, n * sizeof(struct item *));
    memset(buckets, 0, n * sizeof(struct item *));
    l->old = l->table;
    l->moved = 0;
    l->table.buckets = buckets;
    l->table.mask = n - 1;
    l->table.bytes = mem_cost(buckets);
}

struct item *lru_peek(const struct lru *l, const struct key_ref *k)
{
    return *find(l, k);
}

void lru_fetch_place(const struct lru *l, uint32_t hash)
{
    __builtin_prefetch(bucket(l, hash));
}

void lru_fetch_item(const struct lru *l, uint32_t hash)
{
    const char *it = (const char *)*bucket(l, hash);
    size_t i;

    for (i = 0; it && i < FETCHED; i += LINE)
        __builtin_prefetch(it + i);
}

void lru_count_hit(struct lru *l)
{
    l->stats.gets++;
    l->stats.hits++;
}

/* Moves the uses into the order. To be called before anybody else looks at the order. */
static void settle_uses(struct lru *l)
{
    unsigned i;

    for (i = 0; i < l->nused; i++)
        order_use(&l->order, l->used[i], l->stats.gets);
    l->nused = 0;
}

void lru_shrink(struct lru *l)
{
    size_t n = FIRST_BUCKETS;
    struct item **buckets;

    while (fitting(n) <= l->stats.items)
        n *= 2;
    buckets = n <= (l->table.mask + 1) / SPARSE ? mem_alloc(n * sizeof(struct item *)) : NULL;
    if (!buckets)
        return;
    memset(buckets, 0, n * sizeof(struct item *));
    while (l->old.buckets)
        move_some(l);
    l->old = l->table;
    l->moved = 0;
    l->table = (struct table){buckets, n - 1, mem_cost(buckets)};
    while (l->old.buckets)
        move_some(l);
    settle_uses(l);
    order_deinit(&l->order);
}

/* A use writes to the item's neighbours in the order. With many items they are in no cache of the
 * processor, and a use would wait for each. So they are fetched, and written some uses later. */
void lru_use(struct lru *l, struct item *it)
{
    lru_count_hit(l);
    __builtin_prefetch(it->order.prev, 1);
    __builtin_prefetch(it->order.next, 1);
    l->used[l->nused++] = it;
    if (l->nused == USED)
        settle_uses(l);
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

/* Unhooks the item that *at points to and returns it. */
static struct item *take(struct lru *l, struct item **at)
{
    struct item *it = *at;
    size_t cost = item_cost(it);

    assert(!l->nused);
    *at = it->chain;
    it->chain = NULL;
    item_set_place(it, ITEM_OUT);
    if (l->taken)
        atomic_fetch_add_explicit(l->taken, 1, memory_order_release);
    order_take(&l->order, it, cost);
    l->stats.items--;
    l->stats.bytes -= cost;
    l->mortals -= it->mortal;
    return it;
}

struct item *lru_put(struct lru *l, struct item *it)
{
    struct item *displaced, **at;
    size_t cost = item_cost(it);

    settle_uses(l);
    move_some(l);
    displaced = lru_del_same(l, it);
    if (l->stats.items >= fitting(l->table.mask + 1))
        grow(l);
    at = bucket(l, it->hash);
    it->chain = *at;
    *at = it;
    assert(!(item_state(it) & ITEM_PLACE));
    item_set_place(it, ITEM_IN);
    order_put(&l->order, it, cost, l->stats.gets, l->stats.items);
    l->stats.items++;
    l->stats.bytes += cost;
    l->mortals += it->mortal;
    return displaced;
}

struct item *lru_del(struct lru *l, const struct key_ref *k)
{
    struct item **at = find(l, k);

    if (!*at)
        return NULL;
    settle_uses(l);
    order_forget(&l->order, *at);
    return take(l, at);
}

struct item *lru_del_same(struct lru *l, const struct item *it)
{
    struct key_ref k = item_key_ref(it);

    return lru_del(l, &k);
}

size_t lru_newest(struct lru *l, size_t n, struct item **out)
{
    settle_uses(l);
    return order_newest(&l->order, n, out);
}

const struct item *lru_next(const struct lru *l, uint64_t incoming)
{
    return order_next(&l->order, incoming);
}

struct item *lru_evict(struct lru *l, uint64_t incoming)
{
    struct item *it;

    settle_uses(l);
    it = order_evict(&l->order, incoming, l->stats.items);
    if (!it)
        return NULL;
    l->stats.evictions++;
    return take(l, place_of(l, it));
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

    settle_uses(l);
    for (i = 0; i < n && i <= l->table.mask; i++) {
        struct item **at = bucket(l, (uint32_t)(l->swept++ & l->table.mask));

        while (*at) {
            if (!over(arg, *at)) {
                at = &(*at)->chain;
                continue;
            }
            order_forget(&l->order, *at);
            list_push_back(out, &take(l, at)->order);
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

/* While the table grows, an old bucket holds the items of two new ones, and each takes its own. */
size_t lru_walk(struct lru *l, size_t *at, struct item **out, size_t max)
{
    size_t n = 0, looked = 0;

    while (*at <= l->table.mask && looked++ < max) {
        struct item *it = *bucket(l, (uint32_t)*at);

        if (n && n + chain_length(it) > max)
            return n;
        for (; it && n < max; it = it->chain) {
            if ((it->hash & l->table.mask) == *at)
                out[n++] = it;
        }
        ++*at;
    }
    if (*at > l->table.mask)
        *at = SIZE_MAX;
    return n;
}

void lru_set_eviction(struct lru *l, enum eviction e)
{
    settle_uses(l);
    order_set_eviction(&l->order, e);
}

void lru_set_room(struct lru *l, uint64_t bytes)
{
    order_set_room(&l->order, bytes);
}

uint64_t lru_clear(struct lru *l, struct lru *spare, struct list *out)
{
    struct table empty = spare->table;
    uint64_t bytes = l->stats.bytes;

    settle_uses(l);
    spare->table = l->table;
    spare->old = l->old;
    l->table = empty;
    l->old = (struct table){0};
    l->stats.items = 0;
    l->stats.bytes = 0;
    l->mortals = 0;
    order_clear(&l->order, &spare->order, out);
    return bytes;
}

uint64_t lru_bytes(const struct lru *l)
{
    return l->stats.bytes + l->table.bytes + l->old.bytes + l->order.own_bytes;
}

uint64_t lru_item_bytes(const struct lru *l)
{
    return l->stats.bytes;
}

void lru_stats(const struct lru *l, struct lru_stats *out)
{
    *out = l->stats;
    out->bytes = lru_bytes(l);
}
