/* SPDX-License-Identifier: MIT */
/* timers.h - a binary heap of deadlines for one thread's event loop.
 *
 * A timer is embedded in what waits. Setting, moving and cancelling cost O(log n). One thread. */
#ifndef TIMERS_H
#define TIMERS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct timer {
    uint64_t at_ms; /* clock_ms() time it is due */
    size_t slot;    /* 0: not set; else its place in the heap, the timers' */
    void (*run)(struct timer *t);
};

struct timers {
    struct timer **heap; /* heap[1] is due first; owned */
    size_t n, cap;
};

void timers_init(struct timers *ts);
void timers_deinit(struct timers *ts); /* forgets what is still set */

/* Sets t, or moves it, to run `t->run` at at_ms. ERR_NOMEM leaves it unset. */
enum err timers_set(struct timers *ts, struct timer *t, uint64_t at_ms);
void timers_cancel(struct timers *ts, struct timer *t); /* fine when it is not set */

/* Runs the timers that are due at now_ms, in order. A timer is unset before it runs. */
void timers_run(struct timers *ts, uint64_t now_ms);

/* Milliseconds until the next one is due (0: now), -1 when none is set. Fits poll(2). */
int timers_wait_ms(const struct timers *ts, uint64_t now_ms);

#endif
