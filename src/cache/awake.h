/* SPDX-License-Identifier: MIT */
/* awake.h - which groups of a node the next tick must look at, since they have something to do.
 *
 * A group adds itself when it opens a flight, fails a load or is flushed. The tick moves all of
 * them to a list of its own, and takes one after the other; a group that has still something to do
 * adds itself again. So the others cost a tick nothing.
 *
 * Any thread may add, under the group's mutex; the other functions are for the thread that ticks,
 * and for the one that removes groups. */
#ifndef AWAKE_H
#define AWAKE_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/list.h"

struct awake {
    pthread_mutex_t mu;
    struct list next; /* guarded by mu: for the next tick */
    struct list due;  /* guarded by mu: for the present one */
};

/* Embedded in a group. */
struct awake_link {
    struct list link; /* guarded by awake.mu */
    atomic_int on;    /* atomic; written under awake.mu: it is in one of the lists */
};

void awake_init(struct awake *a);
void awake_deinit(struct awake *a); /* must be empty */

void awake_link_init(struct awake_link *l);

/* Puts it into the list of the next tick, unless it is in a list. */
void awake_add(struct awake *a, struct awake_link *l);

/* Removes it from both lists. */
void awake_remove(struct awake *a, struct awake_link *l);

/* A tick begins: all groups added until now are due. */
void awake_begin(struct awake *a);

/* Removes the first that is due, or returns NULL. `hold` is called with it under the mutex: it
 * takes a reference, so that another thread's awake_remove() does not end it. */
struct awake_link *awake_take(struct awake *a, void (*hold)(struct awake_link *l));

#endif
