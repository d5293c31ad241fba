/* SPDX-License-Identifier: MIT */
/* after.h - what is done once a group's mutex is dropped: nothing calls out or frees under it, but
 * notes here what is to be woken, started and freed.
 *
 * On the stack of who takes the mutex. */
#ifndef AFTER_H
#define AFTER_H

#include "base/list.h"
#include "cache/flight.h"
#include "cache/item.h"

struct after {
    struct list woken;    /* waiters */
    struct list start;    /* flight.queued: local flights to start */
    struct item *dropped; /* by item.chain */
    struct flight *ended; /* whose table reference is ours to drop */
    int unstarted;        /* and the loader's, which it never got */
    struct result result; /* what the woken are told; its item is a reference */
};

void after_init(struct after *a);

/* Does all that was noted. Without the mutex. */
void after_run(struct group *g, struct after *a);

/* Under the mutex: a reference to be dropped; NULL is fine. */
static inline void after_drop_item(struct after *a, struct item *it)
{
    if (!it)
        return;
    it->chain = a->dropped;
    a->dropped = it;
}

/* A flight's reference, and the group's with the last of them. */
void after_drop_flight(struct flight *f);

#endif
