/* SPDX-License-Identifier: MIT */
/* order.h - which of the items of an lru is evicted next.
 *
 * EVICT_LRU: one list, in order of use; the least recently used item is evicted.
 *
 * EVICT_SIEVE: one list, in order of arrival. A hand walks from the oldest item to the newest,
 * round and round. It evicts the first item without a get since it last passed. The source is Zhang
 * et al., "SIEVE is Simpler than LRU", NSDI 2024. A hit moves nothing.
 *
 * EVICT_ADAPTIVE: three lists, and the manner (manner.h) that has the most hits of late. Trials
 * (trials.h) find out which one that is. A key's uses are counted in its item, and in a ghost
 * (ghosts.h) once the item is removed. docs/design/eviction.md says why, and what else was tried.
 *
 * Its fields are the lru's and are guarded as it is. */
#ifndef ORDER_H
#define ORDER_H

#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "cache/ghosts.h"
#include "cache/item.h"
#include "cache/manner.h"
#include "cache/uses.h"

struct trials;

enum eviction { EVICT_LRU, EVICT_SIEVE, EVICT_ADAPTIVE };

struct order {
    enum eviction eviction;
    enum manner manner;
    int8_t settled;       /* manner_settled() of it; -1: the eviction is EVICT_SIEVE */
    uint8_t age;          /* below USES_AGES */
    int remembers_all;    /* 1: there are ghosts of all keys, not of the sample's alone */
    uint32_t recent_ages; /* so many in a row had recent as their manner at the end */
    uint8_t most_uses;    /* the largest count at that age, see uses.h; if none is counted, 0 */
    uint64_t age_ends;    /* so many gets of the lru until then */
    uint32_t unsampled;   /* a key is in the trials if its hash has none of these bits */
    uint32_t unnoted;     /* the same, and there is room to note its use */
    uint64_t opened;      /* gets of the lru when uses of the sample were noted again, */
    uint64_t opens;       /* and at which they will be; UINT64_MAX: they are now, or never */
    size_t planned;       /* items for which the ghosts and trials were made; 0: to be made */
    struct trials *trials;
    struct ghosts ghosts;
    size_t own_bytes;                /* what ghosts and trials cost */
    struct list lists[MANNER_LISTS]; /* newest first; all but LIST_WINDOW only for EVICT_ADAPTIVE */
    uint64_t bytes[MANNER_LISTS];    /* of their items */
    uint64_t room;                   /* bytes of all when it is full; 0: not known */
    uint64_t full;                   /* bytes of all when an item was last evicted; before, room */
    struct list *hand; /* SIEVE's: the item that it looks at next; the sentinel: the oldest */
};

void order_init(struct order *o);
void order_deinit(struct order *o); /* the items are the caller's */

void order_set_eviction(struct order *o, enum eviction e);

/* The items have about so many bytes when the first one is evicted. 0: not known, as at first. */
void order_set_room(struct order *o, uint64_t bytes);

/* A new item of so many bytes is put in; gets are those of the lru so far, items those in it. */
void order_put(struct order *o, struct item *it, size_t cost, uint64_t gets, size_t items);

/* An item will be removed, not evicted: its key has no value. */
void order_forget(struct order *o, const struct item *it);

/* An item is taken out: it was evicted or removed. */
void order_take(struct order *o, struct item *it, size_t cost);

/* The item to be evicted for another one of so many bytes, which may be 0; borrowed. NULL: there is
 * none. order_next() changes nothing, so it may differ by a few items. */
struct item *order_evict(struct order *o, uint64_t incoming, size_t items);
const struct item *order_next(const struct order *o, uint64_t incoming);

/* What lru_newest() says. */
size_t order_newest(const struct order *o, size_t n, struct item **out);

/* All items are moved to the end of `out`. What is known of the keys moves to `spare`, which has no
 * items, or stays. */
void order_clear(struct order *o, struct order *spare, struct list *out);

/* Parts of order_use(): for items that do not go to the front of their list, or are counted. */
void order_move(struct order *o, struct item *it, uint64_t gets);
void order_count(struct order *o, struct item *it, uint64_t gets);
void order_open(struct order *o, uint64_t gets);

/* An item is used. gets are those of the lru so far. */
static inline void order_use(struct order *o, struct item *it, uint64_t gets)
{
    if (gets >= o->opens)
        order_open(o, gets);
    if ((int)item_list(it) > o->settled) {
        order_move(o, it, gets);
        return;
    }
    list_move_front(&o->lists[item_list(it)], &it->order);
    if (it->uses != o->most_uses || !(it->hash & o->unnoted))
        order_count(o, it, gets);
}

#endif
