/* SPDX-License-Identifier: MIT */
/* gather.h - many keys of a group for another node. They are loaded here at the same time, and
 * returned in the order of their ends.
 *
 * A gather belongs to the thread of its connection; only wakers of loads run on other threads. It
 * lives until it was dropped and its last load has ended, so nothing remains if a client closes its
 * connection. Keys are begun while there is room: not too many at a time, and not while many ready
 * values wait.
 *
 * Lists of clients and group:get_many() use cache/group_many.h, which is simpler: their answer is
 * one, when all keys have ended. A node's batch cannot wait for that, since a slow key would delay
 * all the others. */
#ifndef GATHER_H
#define GATHER_H

#include <stddef.h>

#include "cache/flight.h"
#include "wire/batch.h"

struct budget;
struct gather;
struct group;
struct MHD_Connection;

struct gather_opts {
    struct MHD_Connection *connection;
    struct group *group; /* borrowed, as are the keys, until the gather is dropped */
    const struct key *keys;
    size_t n_keys;
    const char *traces; /* of the keys (wire/batch.h), or NULL */
    size_t traces_len;
    struct budget *budget; /* counts the gather's memory */
};

/* The end of one key. */
struct gathered {
    size_t index;
    struct result result;
};

/* NULL: no room in the budget, or no memory. */
struct gather *gather_new(const struct gather_opts *o);

/* Cancels its waiters. NULL is fine. */
void gather_drop(struct gather *g);

/* Begins loads as far as there is room. 1 when every key has ended. */
int gather_begin(struct gather *g);

/* The next key that has ended; its item is borrowed until the next call. NULL: no key is ready. */
const struct gathered *gather_next(struct gather *g);

/* Bytes of values that are ready. */
size_t gather_ready_bytes(struct gather *g);

/* Suspends the connection until a key is ready. 0: a key is ready already, or all have ended. */
int gather_wait(struct gather *g);

#endif
