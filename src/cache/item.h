/* SPDX-License-Identifier: MIT */
/* item.h - a key and its value: one allocation, immutable, reference-counted.
 *
 * Before the value's bytes lies the protobuf prefix of a GetResponse that holds them (tag of field
 * 1 and the length). So a peer is answered with the item's own bytes.
 *
 * Any thread may read an item it holds a reference to. The link fields belong to the lru that holds
 * the item, and are guarded as it is. */
#ifndef ITEM_H
#define ITEM_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "base/key.h"
#include "base/list.h"

#include "cache/extra.h"

/* Bits of item.state. An item is put into an lru once, and never again. */
enum item_state {
    ITEM_NEW,
    ITEM_IN = 1,
    ITEM_VISITED =
        2, /* in an lru, and asked for since it was put in, or since the hand passed it */
    ITEM_OUT = 4,
    ITEM_PLACE = ITEM_IN | ITEM_VISITED | ITEM_OUT,
    ITEM_LIST_SHIFT = 3, /* above the place: the list of the order, and the failures */
    ITEM_FAILURES_SHIFT = 5
};

/* A small value costs less than its head, and the allocator rounds up by 16 bytes. So what only
 * some items need is in front of them, and small fields share a word with what is guarded alike. */
struct item {
    struct item *chain;    /* the lru's: next in the bucket; after removal free for a list */
    struct list order;     /* the lru's: order of use */
    _Atomic unsigned refs; /* atomic */
    uint32_t hash;         /* hash_table() of the key, cut; set once, like all down to `mortal` */
    uint32_t value_len;
    uint32_t made_s; /* clock_ms() time in seconds at which the value was loaded */
    uint32_t key_len : 24;
    uint32_t prefix_len : 3;
    uint32_t negative : 1; /* 1: there is no such value; value_len is 0 */
    uint32_t extra : 1;    /* 1: it has extras (extra.h) */
    uint32_t special : 1;  /* 1: its status is not EXTRA_OK, or its bytes are packed (packed.h) */
    uint32_t tagged : 1;   /* 1: it has tags (tags.h) */
    uint32_t mortal : 1;   /* 1: it has an expiry: a struct item_end is in front of it */
    _Atomic uint8_t state; /* atomic; enum item_state; written as its lru is guarded */
    uint8_t uses;          /* the order's: see uses.h; guarded as its lru is */
    char bytes[];          /* key, prefix, value; behind a large value its etag; then the extras and
                            * the number of tags.h */
};

/* When an item ends, and what is known of its loads. */
struct item_end {
    uint32_t low_ms;      /* clock_ms() time from which it is stale; set once */
    uint16_t high_ms;     /* the same, from 2^32 on */
    union {               /* guarded as its lru is */
        uint16_t pause_s; /* while its failures are not 0: when its pause ends, in seconds, cut */
        uint16_t took_ms; /* else: how long its load took, at most so many ms; 0: not known */
    };
};

enum {
    ITEM_MAX_BYTES = 1 << 30, /* of a value: protobuf and our lengths hold it */
    ITEM_MAX_KEY = (1 << 24) - 1,
    ITEM_ETAG_BYTES = 512, /* from this size on a value has an etag, of 8 bytes */
    ITEM_MAX_FAILURES = 7
};

/* Copies key and value into a new item, made now, and returns a reference. NULL: no memory, or
 * the key has more than ITEM_MAX_KEY bytes, or the value more than ITEM_MAX_BYTES. If value is
 * NULL, the caller fills item_value() before another thread sees the item. An expires_ms of 0 is
 * none; of later ones than 2^48 - 1 it is that time. */
struct item *item_new(const struct key_ref *k, const void *value, size_t value_len,
                      uint64_t expires_ms);

/* The same with extras, at most EXTRA_MAX bytes that extra_check() would take. They are copied. */
struct item *item_new_extra(const struct key_ref *k, const void *value, size_t value_len,
                            uint64_t expires_ms, const void *extra, size_t extra_len);

/* The same with the value's own memory, without a copy: it becomes the item's, and the buffer is
 * empty and of no more use, CLOSED. NULL: as above, and the buffer is as it was. If the buffer has
 * room for all else, the allocator need not move it. */
struct item *item_new_of(const struct key_ref *k, struct buf *value, uint64_t expires_ms,
                         const void *extra, size_t extra_len);

/* A negative item: there is no value. NULL: as item_new(). */
struct item *item_new_negative(const struct key_ref *k, uint64_t expires_ms);

/* Before another thread sees the item: it was made so many seconds ago, at another node. More than
 * 34 years are cut. item_age_s() is 0 at a time before it was made. */
void item_set_age(struct item *it, uint64_t age_s);
uint64_t item_age_s(const struct item *it, uint64_t now_ms);

struct item *item_ref(struct item *it); /* returns it */
void item_unref(struct item *it);       /* NULL is fine */

const char *item_key(const struct item *it);
struct key_ref item_key_ref(const struct item *it); /* valid as long as the item */
char *item_value(struct item *it);

/* The value as a GetResponse: prefix and value. */
const char *item_wire(const struct item *it, size_t *len);

/* The extras of the item, in its own bytes. NULL and *n is 0: it has none. */
const char *item_extra(const struct item *it, size_t *n);

/* Of an item with tags: the last removal of a tag before its load began (tags.h), 0 at first.
 * Guarded as its lru is. */
uint64_t item_tags_began(const struct item *it);
void item_set_tags_began(struct item *it, uint64_t number);

/* The status of its answer: EXTRA_OK for most. */
int item_status(const struct item *it);

/* 1: its bytes are compressed. */
int item_is_packed(const struct item *it);

/* 1: whoever asks for bytes alone may have those of the item. */
static inline int item_is_value(const struct item *it)
{
    return !it->special || (extra_is_value(item_status(it)) && !item_is_packed(it));
}

/* The end of a mortal item. */
static inline struct item_end *item_end(const struct item *it)
{
    return (struct item_end *)(void *)(size_t)it - 1;
}

/* clock_ms() time from which it is stale, 0 for never. */
static inline uint64_t item_expires_ms(const struct item *it)
{
    return it->mortal ? (uint64_t)item_end(it)->high_ms << 32 | item_end(it)->low_ms : 0;
}

/* 1: it is in an lru, or was at the time of a flush. Any thread. */
static inline int item_is_in(const struct item *it)
{
    return atomic_load_explicit(&it->state, memory_order_acquire) & ITEM_IN;
}

/* The state, for those who hold what guards the lru. */
static inline unsigned item_state(const struct item *it)
{
    return atomic_load_explicit(&it->state, memory_order_relaxed);
}

/* Readers look at the place without what guards the lru. */
static inline void item_set_place(struct item *it, unsigned place)
{
    atomic_store_explicit(&it->state, (uint8_t)((item_state(it) & ~(unsigned)ITEM_PLACE) | place),
                          memory_order_release);
}

/* The list of the order that it is in: enum manner_list. Guarded as its lru is, as are the next. */
static inline unsigned item_list(const struct item *it)
{
    return item_state(it) >> ITEM_LIST_SHIFT & 3;
}

void item_set_list(struct item *it, unsigned list);

/* How many of its last loads failed, at most ITEM_MAX_FAILURES. */
static inline unsigned item_failures(const struct item *it)
{
    return item_state(it) >> ITEM_FAILURES_SHIFT;
}

void item_add_failure(struct item *it);

/* A number that was computed from a large value, kept for later; 0: not yet, or the value is too
 * small to have one. Atomic. */
uint64_t item_etag(const struct item *it);
void item_set_etag(struct item *it, uint64_t tag);

/* The number for the etag of a value: a hash that is the same on every node. */
uint64_t item_tag_of(const void *value, size_t n);

int item_is(const struct item *it, const struct key_ref *k);

/* Keys are short: of most no more is compared than their first and their last 8 bytes. */
static inline int item_has_key(const struct item *it, const void *key, size_t n)
{
    uint64_t a[2], b[2];

    if (it->key_len != n)
        return 0;
    if (n < 8 || n > 16)
        return memcmp(it->bytes, key, n) == 0;
    memcpy(&a[0], it->bytes, 8);
    memcpy(&b[0], key, 8);
    memcpy(&a[1], it->bytes + n - 8, 8);
    memcpy(&b[1], (const char *)key + n - 8, 8);
    return a[0] == b[0] && a[1] == b[1];
}

/* What the item costs the process, in bytes: what the allocator spends on it. */
size_t item_cost(const struct item *it);

#endif
