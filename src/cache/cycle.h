/* SPDX-License-Identifier: MIT */
/* cycle.h - which load waits for which, so that none can wait for itself.
 *
 * A getter that asks for a key of a group makes its own flight wait for that key's. A wait that
 * would close a circle is refused before it begins. Circles that run over other nodes are not seen;
 * they end by the loads' deadlines.
 *
 * The edges of all groups of the process are guarded by one mutex, which is the last in the lock
 * order. Only getters that ask groups ever take it. */
#ifndef CYCLE_H
#define CYCLE_H

#include "base/list.h"

struct flight;

/* An edge, embedded in the waiter whose flight waits. */
struct cycle_edge {
    struct list link;  /* in from->waits */
    struct flight *to; /* borrowed: the edge is taken away before the flight ends */
};

/* `from` waits for `to` from here on. 0, and nothing is done, when `to` waits for `from` already,
 * through however many others, or is the same. */
int cycle_add(struct cycle_edge *edge, struct flight *from, struct flight *to);

/* `from` is about to be freed: takes away the edges that begin at it. A getter may have begun to
 * wait and failed, so that its waits outlive it until they are collected. */
void cycle_clear(struct flight *from);

/* No longer. Fine for an edge that was never added, if its link was initialised. */
void cycle_del(struct cycle_edge *edge);

#endif
