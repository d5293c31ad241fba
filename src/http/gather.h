/* SPDX-License-Identifier: MIT */
/* gather.h - many keys of a group for another node: looked up, loaded here side by side, and
 * handed out in the order in which they end.
 *
 * A gather belongs to the thread of its connection; only wakers of loads come from elsewhere. It
 * lives until its owner has dropped it and the last load that it waits for has come, so a client
 * that goes away leaves nothing behind. Keys are begun as there is room: not more than some at a
 * time, and none while much lies ready that nobody has taken. */
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
    struct budget *budget; /* what the gather takes is counted there */
};

/* One key's end. */
struct gathered {
    size_t index;
    struct result result;
};

/* NULL: no room in the budget, or no memory. */
struct gather *gather_new(const struct gather_opts *o);

/* Takes its waiters off what is under way. NULL is fine. */
void gather_drop(struct gather *g);

/* Begins loads as far as there is room. 1 when every key has ended. */
int gather_begin(struct gather *g);

/* The next that has ended; its item is borrowed until the next call. NULL: none is ready. */
const struct gathered *gather_next(struct gather *g);

/* Bytes of values that are ready. */
size_t gather_ready_bytes(struct gather *g);

/* Suspends the connection until there is something to take. 0: there is already, or nothing is
 * under way. */
int gather_wait(struct gather *g);

#endif
