/* SPDX-License-Identifier: MIT */
/* reader.h - one thread that gets the same keys of a group over and over.
 *
 * A reader remembers the items that it was given last, each in a slot. While the item of a slot is
 * the value of its key, a get costs no mutex. The item itself says that it is in main, and the
 * group's epoch that there was no flush. The reader notes the hit in a ring of its own. The hits of
 * a ring are moved to the order of use and the counters when the ring is full. A thread that has
 * the mutex also moves them before it evicts or reads counters. Caffeine's read buffers (Manes,
 * "Design of a Modern Cache", 2016) do the same; here no hit is lost.
 *
 * Why a reader needs no mutex: an item is put into one lru, once. So an item that was removed is
 * never the value again, and the thread that removes it marks the item before it drops the mutex. A
 * slot keeps its item alive. It changes only under the mutex, after the ring, which may point to
 * the item, was emptied.
 *
 * An item with tags is looked up under the mutex each time, since a removal of its tag marks no
 * item. A slot is found by the address of the key's bytes: where strings are interned, an address
 * means a key. The bytes are compared all the same. A reader belongs to one thread at a time. */
#ifndef READER_H
#define READER_H

#include <stddef.h>
#include <stdint.h>

#include "cache/group.h"

struct item;
struct reader;

enum { READER_SLOTS = 2048 }; /* at most */

enum hit {
    HIT_NONE,
    HIT_SAME, /* the item that the slot had at the last get */
    HIT_OTHER /* another item, now in the slot */
};

struct recalled {
    struct item *item; /* borrowed until the reader is next called */
    enum source source;
    unsigned slot; /* less than reader_slots() */
};

/* Holds a reference to the group. */
struct reader *reader_new(struct group *g);
void reader_free(struct reader *r); /* NULL is fine */

struct group *reader_group(const struct reader *r); /* borrowed */

/* Does what group_lookup() does, and fills *out; HIT_NONE leaves *out as it was. The items in slots
 * are counted in the group's stats. */
enum hit reader_recall(struct reader *r, const void *key, size_t key_len, struct recalled *out);

/* How many slots there are now. All are emptied when their number grows. */
unsigned reader_slots(const struct reader *r);

/* Empties a slot; all of them. */
void reader_forget(struct reader *r, unsigned slot);
void reader_forget_all(struct reader *r);

#endif
