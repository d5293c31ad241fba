/* SPDX-License-Identifier: MIT */
/* after.h - the work that is done once a group's mutex is dropped. No code calls out or frees under
 * the mutex: it notes here which waiters to wake, which flights to start and what to free.
 *
 * It is on the stack of the function that takes the mutex. */
#ifndef AFTER_H
#define AFTER_H

#include "base/list.h"
#include "cache/flight.h"
#include "cache/item.h"

struct after {
    struct list woken;    /* waiters */
    struct list start;    /* flight.queued: local flights to start */
    struct item *dropped; /* by item.chain */
    struct flight *ended; /* its table reference is to be dropped */
    int ahead;            /* 1: the value that was looked up is to be loaded again */
    int unstarted;        /* 1: the loader's too, which was never given to it */
    struct result result; /* the waiters' result; its item is a reference */
};

void after_init(struct after *a);

/* Does all the noted work. Without the mutex. */
void after_run(struct group *g, struct after *a);

/* Under the mutex: a reference to be dropped; NULL is fine. */
static inline void after_drop_item(struct after *a, struct item *it)
{
    if (!it)
        return;
    it->chain = a->dropped;
    a->dropped = it;
}

/* Drops a reference to a flight, and with the last one the flight's reference to its group. */
void after_drop_flight(struct flight *f);

#endif
