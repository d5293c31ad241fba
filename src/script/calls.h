/* SPDX-License-Identifier: MIT */
/* calls.h - which loads of a group come to its getter in one call, and when a call may begin.
 *
 * A getter that takes several keys (max_keys) is called for all loads that wait. The first of them
 * is the call's first load, the others are its companions (flight.h). While a call runs on this
 * node, further loads gather for the next one. It begins when
 *
 * - no call runs, or the last one runs for longer than CALLS_PATIENCE_MS: a key that hangs must
 *   not hold up the others; or it is full; and
 * - fewer than max_loads calls run; and
 * - its first load has waited for gather_ms; and
 * - as many keys are there as the last call had, or a moment has passed since that ended. Clients
 *   that had their answers together often ask again together. Without the moment, calls of one key
 *   and of all the others would take turns.
 *
 * A call that is past its deadline does not count: its getter may be stuck.
 *
 * No thread and no Lua. All functions are called under the backlog's mutex. */
#ifndef CALLS_H
#define CALLS_H

#include <stdint.h>

struct flight;

enum {
    CALLS_PATIENCE_MS = 100,
    CALLS_MOMENT_MS = 2 /* at most, and a quarter of the last call's time */
};

/* A load is given to the loader. Returns the first load of the call that it belongs to: f itself,
 * or the one whose companion it is now. */
struct flight *calls_join(struct flight *f);

/* 0: the call of this first load may begin. Else the clock_ms() time at which to ask again, if
 * nothing happens before. */
uint64_t calls_wait_ms(const struct flight *first, uint64_t now_ms);

/* The call of this first load is to begin as soon as a worker takes it. Until then it counts as one
 * that runs, and further loads join it. */
void calls_ready(struct flight *first, uint64_t now_ms);

/* A worker takes the first load and its companions, and begins the call, which was ready. */
void calls_begin(struct flight *first, uint64_t now_ms);

/* Nobody begins the call of this first load, ready or not. */
void calls_drop(struct flight *first);

/* A load of a call that has begun has ended. 1: so has the call, and others may begin. */
int calls_end(struct flight *f, uint64_t now_ms);

#endif
