/* SPDX-License-Identifier: MIT */
/* cycle.h - which load waits for which, so that no load can wait for itself.
 *
 * A getter that asks for a key of a group makes its own flight wait for that key's. A wait that
 * would close a circle is refused before it begins. Circles over several nodes are not seen; they
 * end at the loads' deadlines.
 *
 * The edges of all groups of the process are guarded by one mutex, which is the last in the lock
 * order. Only getters that ask groups ever take it. */
#ifndef CYCLE_H
#define CYCLE_H

#include <stdint.h>

#include "base/list.h"

/* A flight's place in the graph of waits, embedded in the flight. */
struct cycle_node {
    struct list waits; /* struct cycle_edge: the flights it waits for */
    int waited; /* there was an edge in `waits`; written by a holder of a reference to the flight */
    uint64_t searched; /* the last search that visited it */
};

/* An edge, embedded in the waiter whose flight waits. */
struct cycle_edge {
    struct list link;      /* in from->waits */
    struct cycle_node *to; /* borrowed: the edge is removed before the flight ends */
};

void cycle_init(struct cycle_node *n);

/* From now on `from` waits for `to`. 0, and nothing is done, when `to` already waits for `from`,
 * directly or through others, or is the same. */
int cycle_add(struct cycle_edge *edge, struct cycle_node *from, struct cycle_node *to);

/* `from` is about to be freed: removes the edges that begin at it. There are some when a getter
 * began to wait and failed: its waits live until they are collected. */
void cycle_clear(struct cycle_node *from);

/* Removes an edge. Fine for one that was never added, if its link was initialised. */
void cycle_del(struct cycle_edge *edge);

#endif
