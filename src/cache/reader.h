/* SPDX-License-Identifier: MIT */
/* reader.h - one thread that gets the same keys of a group over and over.
 *
 * A reader remembers the items that it was given last, each in a slot. While the item of a slot is
 * the value of its key, a get costs no mutex: the item itself says that it is in main, the group's
 * epoch that no flush came between. The hit is noted in a ring of the reader's, and takes its place
 * in the order of use and in the counters when the ring is full, or when somebody who has the mutex
 * needs to know: before anything is evicted, and before counters are read. Caffeine's read buffers
 * (Manes, "Design of a Modern Cache", 2016) do the same; here no hit is lost.
 *
 * What lets a reader do without the mutex: an item is in one lru once, so one that has left is not
 * the value any more, whatever came after it; and whoever takes it out says so in the item before
 * he drops the mutex. A slot keeps its item alive, and changes only under the mutex, when the ring
 * that may point to it has been emptied.
 *
 * A slot is found by the address of the key's bytes, which is that of the key where strings are
 * interned; the bytes are compared all the same. A reader belongs to one thread at a time. */
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
    HIT_OTHER /* another one, from now on in the slot */
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

/* group_lookup(), and what it found; HIT_NONE leaves *out as it was. What is remembered is counted
 * in the group's stats. */
enum hit reader_recall(struct reader *r, const void *key, size_t key_len, struct recalled *out);

/* How many slots there are now. When they become more, all are emptied. */
unsigned reader_slots(const struct reader *r);

/* Empties a slot; all of them. */
void reader_forget(struct reader *r, unsigned slot);
void reader_forget_all(struct reader *r);

#endif
