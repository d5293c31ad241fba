/* SPDX-License-Identifier: MIT */
/* reader_hits.h - the hits that readers note without the group's mutex; they are counted under it.
 *
 * For cache/ only. */
#ifndef READER_HITS_H
#define READER_HITS_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/list.h"

struct group;
struct item;

enum { READER_RING = 64 /* hits noted at most; a power of two */ };

/* Written under the group's mutex, by the reader's thread. */
struct reader_slot {
    const void *key;   /* the address of the key at the last get; another key may lie there now */
    struct item *item; /* a reference, or NULL */
    uint64_t epoch;    /* the group's when the item was found in main; 0: it was not */
};

struct reader {
    struct group *group; /* a reference */
    struct list link;    /* group.readers; guarded by its mutex */
    struct reader_slot *slots;
    unsigned nslots;
    unsigned next_way;        /* which slot is replaced when all ways are taken */
    _Atomic uint32_t noted;   /* hits so far; the reader's thread writes it */
    _Atomic uint32_t counted; /* hits of these that were counted; written under the mutex */
    struct reader_slot *ring[READER_RING]; /* from `counted` to `noted` the mutex guards them; the
                                              rest is the thread's */
};

/* Counts the hits that one reader has noted, and moves them into the order of use. */
void reader_hits_count_one_locked(struct reader *r);

/* The same for all readers of a group. */
void reader_hits_count_locked(struct group *g);

#endif
