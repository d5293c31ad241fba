/* SPDX-License-Identifier: MIT */
/* reader.h - one thread that gets the same keys of a group over and over.
 *
 * A reader remembers the items that it was given, each in a slot. While the item of a slot is the
 * value of its key, a get costs no mutex. The item itself says that it is in main, and the group's
 * epoch that there was no flush. The reader notes the hit in a ring of its own. The hits of a ring
 * are moved to the order of use and the counters when the ring is full. A thread that has the mutex
 * also moves them before it evicts or reads counters. Caffeine's read buffers (Manes, "Design of a
 * Modern Cache", 2016) do the same; here no hit is lost.
 *
 * Why a reader needs no mutex: an item is put into one lru, once. So an item that was removed is
 * never the value again, and the thread that removes it marks the item before it drops the mutex. A
 * slot keeps its item alive. It gives the item up only under the mutex, after the ring, which may
 * point to the item, was emptied.
 *
 * An item with tags is looked up under the mutex each time, since a removal of its tag marks no
 * item. A slot is found by the address of the key's bytes: where strings are interned, an address
 * means a key. The bytes are compared all the same.
 *
 * The slots are as many as the keys that the thread asks for. All readers of a group share
 * opts.remember_bytes in equal parts. A hand goes over the slots, a few for each ring of hits, and
 * empties those that were not used since it passed (CLOCK, Corbato 1968). So memory of keys that
 * are not asked for any more is given back while others are.
 *
 * The owner may keep a copy of its own beside each item, at the place that `place` says.
 * reader_take_left() tells which copies are of no use any more. A reader belongs to one thread at a
 * time. */
#ifndef READER_H
#define READER_H

#include <stddef.h>
#include <stdint.h>

#include "cache/group.h"

struct item;
struct reader;

enum {
    READER_SHARE = 4,                /* by default readers remember this part of cache_bytes, */
    READER_LEAST_BYTES = 256 * 1024, /* or so much, if that is more */
    READER_LARGE = 64,               /* an item is remembered if it costs less than this part
                                        of what its reader may remember */
    READER_NOWHERE = -1              /* a place: the item is not remembered */
};

enum hit {
    HIT_NONE,
    HIT_SAME, /* the item that the slot had at the last get */
    HIT_OTHER /* another item, now in the slot, or not remembered */
};

struct recalled {
    struct item *item; /* borrowed until the reader is next called */
    enum source source;
    int place; /* of the owner's copy: from 0 on, without holes; or READER_NOWHERE */
};

/* Holds a reference to the group. copies: 1 if the owner keeps a copy of each key and value. */
struct reader *reader_new(struct group *g, int copies);
void reader_free(struct reader *r); /* NULL is fine */

struct group *reader_group(const struct reader *r); /* borrowed */

/* Does what group_lookup() does, and fills *out; HIT_NONE leaves *out as it was. The items in slots
 * are counted in the group's stats. */
enum hit reader_recall(struct reader *r, const void *key, size_t key_len, struct recalled *out);

/* The owner keeps the bytes of the key that reader_recall() has just hit, and a copy of the value.
 * It keeps both until reader_hold_none(), or until the place of the copy is left. Until then the
 * address of these bytes means this key. copy: what the owner reads first of the copy. It is only
 * fetched into the processor's cache, at each hit of the key, while the owner still looks up where
 * the copy is. Does nothing if all slots were emptied since reader_recall(). */
void reader_hold(struct reader *r, const void *copy);
void reader_hold_none(struct reader *r);

/* The place of the value's copy, as reader_recall() would give it, if the key at that address is
 * held and its item has no end; any address. Reads neither key nor item while nothing has left
 * main. READER_NOWHERE: nothing was done, ask reader_recall(). */
int reader_recall_held(struct reader *r, const void *key);

/* How often all slots were emptied: copies that are older are of no use. */
unsigned reader_age(const struct reader *r);

/* How many places were left whose copies are still kept; one of them, or READER_NOWHERE. */
unsigned reader_left(const struct reader *r);
int reader_take_left(struct reader *r);

/* Releases the item that was found last, if it is not remembered. */
void reader_let_go(struct reader *r);

/* Empties all slots. */
void reader_forget_all(struct reader *r);

#endif
