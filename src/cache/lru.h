/* SPDX-License-Identifier: MIT */
/* lru.h - items by key, and which of them goes first.
 *
 * A hash table whose chains run through the items, and a circular list with a sentinel. The table
 * grows in small steps: while it does, each put moves a few buckets, so that no call under the
 * group's lock ever pays for all of them. The lru has no bound of its own: its owner asks for
 * `bytes` and takes items off until it is content.
 *
 * The list is in order of use, and its last goes first: least recently used. Or it is in order of
 * arrival, and a hand that walks from the oldest to the newest, round and round, takes the first
 * that was not asked for since it last came by: SIEVE (Zhang et al., "SIEVE is Simpler than LRU",
 * NSDI 2024). That keeps what is asked for again and lets one-time keys go, so a walk over many
 * keys does not push out the rest; and a hit moves nothing.
 *
 * No thread of its own and no lock: the caller's. Items are held by reference. */
#ifndef LRU_H
#define LRU_H

#include <stddef.h>
#include <stdint.h>

#include "cache/item.h"

struct lru;

enum eviction { EVICT_LRU, EVICT_SIEVE };

/* Go's CacheStats, with bytes as the allocator counts them, index included. */
struct lru_stats {
    uint64_t bytes, items, gets, hits, evictions;
};

struct lru *lru_new(void);
void lru_free(struct lru *l); /* gives up its items; NULL is fine */

/* At any time; what it holds stays, in the order that it is in. EVICT_LRU at first. */
void lru_set_eviction(struct lru *l, enum eviction e);

/* The item of that key, borrowed, noted as used and counted as a hit; NULL counts a miss. */
struct item *lru_get(struct lru *l, uint32_t hash, const void *key, size_t key_len);

/* The same for an item that lru_peek() has just given, or that is known to be in it: a hit. */
void lru_use(struct lru *l, struct item *it);

/* Counts a hit of an item that has left since. */
void lru_count_hit(struct lru *l);

/* The item of that key, but nothing is noted and nothing counted. */
struct item *lru_peek(const struct lru *l, uint32_t hash, const void *key, size_t key_len);

/* Puts the item in front and takes the caller's reference. Returns the item of the same key that
 * it displaced (the caller's reference now), or NULL. */
struct item *lru_put(struct lru *l, struct item *it);

/* Takes an item out and returns its reference; NULL when there is none. lru_evict() counts
 * an eviction. */
struct item *lru_del(struct lru *l, uint32_t hash, const void *key, size_t key_len);
struct item *lru_evict(struct lru *l);

/* The item that would go, borrowed; NULL when there is none. */
const struct item *lru_oldest(const struct lru *l);

/* The item that lru_get() has just given is of no use: the get was a miss. */
void lru_get_missed(struct lru *l);

/* Looks at all items of the next n buckets, in a round that never ends, and moves those of which
 * over(arg, item) says 1 to `out`, by item.order. Returns how many buckets were looked at, fewer
 * than n when the table has fewer. */
size_t lru_sweep(struct lru *l, size_t n, int (*over)(void *arg, const struct item *it), void *arg,
                 struct list *out);
size_t lru_buckets(const struct lru *l);

/* Items in it that have an expiry. */
uint64_t lru_mortals(const struct lru *l);

/* Moves every item to the end of `out`, by item.order, and starts anew with the tables of `spare`,
 * an lru without items that gets those of l, for its owner to free. Takes the same time whatever l
 * holds; its counters go on. Returns the items' bytes. */
uint64_t lru_clear(struct lru *l, struct lru *spare, struct list *out);

uint64_t lru_bytes(const struct lru *l);
void lru_stats(const struct lru *l, struct lru_stats *out);

#endif
