/* SPDX-License-Identifier: MIT */
/* reader_hits.h - the hits that readers note without the group's mutex; they are counted under it.
 *
 * For cache/ only. */
#ifndef READER_HITS_H
#define READER_HITS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"

struct group;
struct item;
struct reader_slot;

enum { READER_RING = 64 /* hits noted at most; a power of two */ };

struct reader {
    struct group *group; /* a reference */
    struct list link;    /* group.readers; guarded by its mutex */
    int copies;          /* set once */

    /* The thread's, like all that follows up to `noted`. */
    struct reader_slot *slots;
    void *slots_memory;       /* owned: the slots are aligned in it */
    unsigned mask;            /* the number of slots, a power of two, less one */
    unsigned shift;           /* of a hash, for its upper bits to be a slot */
    unsigned nitems;          /* slots with an item */
    unsigned hand;            /* the slot that is looked at next */
    unsigned refused;         /* items for which there was no room */
    unsigned victim;          /* which slot is taken when all ways of a key are */
    size_t bytes;             /* what the slots' items and their copies cost */
    size_t most;              /* at most; as of the last time that the thread had the mutex */
    struct reader_slot *last; /* that reader_recall() found; NULL: none */
    uint64_t removed;         /* group.removed when `epoch` was the group's */
    struct item *passing; /* a reference to what was found last and is not remembered, or NULL */
    unsigned age;
    int *left;          /* places that no item has */
    unsigned nleft;     /* of them */
    unsigned uncleared; /* the last so many of them have copies */
    unsigned places;    /* that were ever used since all slots were emptied */
    unsigned left_room; /* of the array; at least `places` */

    uint64_t epoch;                 /* the group's at all hits of the ring; changed under the
                                       mutex, while the ring is empty */
    _Atomic uint32_t noted;         /* hits so far; the reader's thread writes it */
    _Atomic uint32_t counted;       /* hits of these that were counted; written under the mutex */
    struct item *ring[READER_RING]; /* a slot has the reference; from `counted` to `noted` the
                                       mutex guards them; the rest is the thread's */
};

/* Counts the hits that one reader has noted, and moves them into the order of use. */
void reader_hits_count_one_locked(struct reader *r);

/* The same for all readers of a group. */
void reader_hits_count_locked(struct group *g);

#endif
