/* SPDX-License-Identifier: MIT */
/* lru.h - items by key, and which of them is evicted first.
 *
 * A hash table whose chains run through the items, and lists in the order of their eviction. The
 * table grows in small steps: while it does, each put moves a few buckets, so no call under the
 * group's mutex pays for all of them. The lru has no bound of its own: the group looks at `bytes`
 * and evicts items while they are too many.
 *
 * Which item is evicted first is decided by order.h.
 *
 * It has no lock: the caller's mutex guards it. Items are held by reference. */
#ifndef LRU_H
#define LRU_H

#include <stddef.h>
#include <stdint.h>

#include "cache/item.h"
#include "cache/order.h"

struct lru;

/* Go's CacheStats, with bytes as the allocator counts them, index included. */
struct lru_stats {
    uint64_t bytes, items, gets, hits, evictions;
};

struct lru *lru_new(void);
void lru_free(struct lru *l); /* drops its items; NULL is fine */

/* A number that is increased, by release, after each item that is taken out, but for lru_clear().
 * Borrowed. */
void lru_count_taken(struct lru *l, _Atomic uint64_t *taken);

/* At any time; the items stay, in their present order. EVICT_LRU at first. */
void lru_set_eviction(struct lru *l, enum eviction e);

/* It has about so many bytes when it is full: EVICT_ADAPTIVE looks at its keys in time. 0: that is
 * not known, as at first. */
void lru_set_room(struct lru *l, uint64_t bytes);

/* The item of that key, borrowed, noted as used and counted as a hit; NULL counts a miss. */
struct item *lru_get(struct lru *l, const struct key_ref *k);

/* A get of a key with that hash comes soon: the processor fetches what it will read first, and then
 * the likely item. lru_fetch_item() waits for what lru_fetch_place() fetches. */
void lru_fetch_place(const struct lru *l, uint32_t hash);
void lru_fetch_item(const struct lru *l, uint32_t hash);

/* Counts a hit of an item that lru_peek() has just returned, or that is known to be in it, and
 * notes its use. */
void lru_use(struct lru *l, struct item *it);

/* Counts a hit of an item that was removed since. */
void lru_count_hit(struct lru *l);

/* The item of that key, borrowed; nothing is noted or counted. */
struct item *lru_peek(const struct lru *l, const struct key_ref *k);

/* Puts the item in front and takes the caller's reference. Returns the item of the same key that
 * it displaced (the caller's reference now), or NULL. */
struct item *lru_put(struct lru *l, struct item *it);

/* Takes an item out and returns its reference; NULL when there is none. lru_evict() makes room for
 * another item of so many bytes, 0 if there is none, and counts an eviction. */
struct item *lru_del(struct lru *l, const struct key_ref *k);
struct item *lru_evict(struct lru *l, uint64_t incoming);

/* The same of the item that has the key of `it`, often `it` itself. */
struct item *lru_del_same(struct lru *l, const struct item *it);

/* The item that lru_evict() would evict next, or nearly; borrowed. NULL when there is none. */
const struct item *lru_next(const struct lru *l, uint64_t incoming);

/* References to at most n items in out: those that were used last, the last one first. With
 * EVICT_ADAPTIVE those of the protected list are before all others. Returns their number. */
size_t lru_newest(struct lru *l, size_t n, struct item **out);

/* The item that lru_get() has just returned is of no use: counts the get as a miss. */
void lru_get_missed(struct lru *l);

/* Looks at all items of the next n buckets, round and round, and moves those for which over(arg,
 * item) returns 1 to `out`, by item.order. Returns how many buckets were looked at, fewer than n
 * when the table has fewer. */
size_t lru_sweep(struct lru *l, size_t n, int (*over)(void *arg, const struct item *it), void *arg,
                 struct list *out);
size_t lru_buckets(const struct lru *l);

/* Appends items of the buckets from *at on, borrowed, as long as whole buckets fit into max. Moves
 * *at on; SIZE_MAX: there are no more buckets. Of a longer bucket only max items are taken. Returns
 * how many. An item may be found twice if the table began to grow meanwhile. */
size_t lru_walk(struct lru *l, size_t *at, struct item **out, size_t max);

/* Items in it that have an expiry. */
uint64_t lru_mortals(const struct lru *l);

/* Moves every item to the end of `out`, by item.order. The tables are swapped with those of
 * `spare`, an lru without items, which the caller frees. Takes the same time for any number of
 * items; the counters go on. Returns the items' bytes. */
uint64_t lru_clear(struct lru *l, struct lru *spare, struct list *out);

/* Makes the table smaller, if it is far too large for the items, and forgets what is known of keys
 * that have left. Looks at all buckets. A lru_walk() that goes on then misses items. */
void lru_shrink(struct lru *l);

uint64_t lru_bytes(const struct lru *l);      /* with the table */
uint64_t lru_item_bytes(const struct lru *l); /* of the items alone */
void lru_stats(const struct lru *l, struct lru_stats *out);

#endif
