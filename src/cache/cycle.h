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

#include <stdint.h>

#include "base/list.h"

/* What may wait and be waited for, embedded in a flight. */
struct cycle_node {
    struct list waits; /* struct cycle_edge: whom it waits for */
    int waited;        /* there was an edge in it; by a holder of a reference to the flight */
    uint64_t searched; /* the last search that came here */
};

/* An edge, embedded in the waiter whose flight waits. */
struct cycle_edge {
    struct list link;      /* in from->waits */
    struct cycle_node *to; /* borrowed: the edge is taken away before the flight ends */
};

void cycle_init(struct cycle_node *n);

/* `from` waits for `to` from here on. 0, and nothing is done, when `to` waits for `from` already,
 * through however many others, or is the same. */
int cycle_add(struct cycle_edge *edge, struct cycle_node *from, struct cycle_node *to);

/* `from` is about to be freed: takes away the edges that begin at it. A getter may have begun to
 * wait and failed, so that its waits outlive it until they are collected. */
void cycle_clear(struct cycle_node *from);

/* No longer. Fine for an edge that was never added, if its link was initialised. */
void cycle_del(struct cycle_edge *edge);

#endif
