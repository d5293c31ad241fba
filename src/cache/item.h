/* SPDX-License-Identifier: MIT */
/* item.h - a key and its value: one allocation, immutable, reference-counted.
 *
 * The value's bytes are preceded by the protobuf prefix of a GetResponse that holds them (tag of
 * field 1 and the length), so that a peer is answered with the item's own bytes, as they lie.
 *
 * Any thread may read an item it holds a reference to. The link fields belong to the one lru that
 * holds the item and are guarded as that lru is. */
#ifndef ITEM_H
#define ITEM_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"

/* An item is put into an lru once, and does not come back. */
enum item_place {
    ITEM_NEW,
    ITEM_IN = 1,
    ITEM_VISITED = 2, /* and in: asked for since it was put in, or since the hand came by */
    ITEM_OUT = 4
};

struct item {
    struct item *chain;    /* the lru's: next in the bucket; after removal free for a list */
    struct list order;     /* the lru's: order of use */
    uint64_t expires_ms;   /* clock_ms() time from which it is stale, 0 for never; set once */
    _Atomic unsigned refs; /* atomic */
    uint32_t hash;         /* hash_table() of the key, cut; set once, like all that follows */
    uint32_t key_len, value_len;
    uint32_t made_s; /* clock_ms() time in seconds at which the value was loaded */
    uint8_t prefix_len : 4;
    uint8_t negative : 1;  /* 1: there is no such value; value_len is 0 */
    _Atomic uint8_t place; /* atomic; enum item_place; the lru's, written as that is guarded */
    uint16_t pause_s;      /* while failures is not 0: when its pause ends, in seconds, cut */
    uint8_t failures;      /* of its last loads. Both are guarded as the lru is */
    char bytes[];          /* key, prefix, value; of a large value the tag behind them */
};

enum {
    ITEM_MAX_BYTES = 1 << 30, /* of key and of value: protobuf and our lengths hold it */
    ITEM_TAGGED_BYTES = 512   /* a value of that many has a tag, which takes 8 bytes more */
};

/* Copies key and value into a new item, made now, and returns a reference, or NULL when there is no
 * memory or a part is over ITEM_MAX_BYTES. value may be NULL: then the caller fills item_value()
 * before anyone else sees the item. */
struct item *item_new(const void *key, size_t key_len, uint32_t hash, const void *value,
                      size_t value_len, uint64_t expires_ms);

/* An item that says that there is no value. NULL: no memory. */
struct item *item_new_negative(const void *key, size_t key_len, uint32_t hash, uint64_t expires_ms);

/* Before anyone else sees the item: it was made that many seconds ago, elsewhere. */
void item_set_age(struct item *it, uint64_t age_s);
uint64_t item_age_s(const struct item *it, uint64_t now_ms);

struct item *item_ref(struct item *it); /* returns it */
void item_unref(struct item *it);       /* NULL is fine */

const char *item_key(const struct item *it);
char *item_value(struct item *it);

/* The value as a GetResponse: prefix and value. */
const char *item_wire(const struct item *it, size_t *len);

/* 1: it is in an lru, or was when everything was flushed. Any thread. */
static inline int item_is_in(const struct item *it)
{
    return atomic_load_explicit(&it->place, memory_order_acquire) & ITEM_IN;
}

/* A number that a reader has worked out of a large value, for the next ones; 0: none has yet, or
 * the value is too small to have a tag. Atomic. */
uint64_t item_tag(const struct item *it);
void item_set_tag(struct item *it, uint64_t tag);

int item_is(const struct item *it, uint32_t hash, const void *key, size_t key_len);

/* What the item costs the process, in bytes: what the allocator spends on it. */
size_t item_cost(const struct item *it);

#endif
