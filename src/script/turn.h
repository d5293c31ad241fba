/* SPDX-License-Identifier: MIT */
/* turn.h - a turn of a task: the time from its resume until it waits, ends or is set aside.
 *
 * A turn has up to four ends: the deadline of the task, the bound of a single turn, the bound of
 * the processor time of all turns, and the end of the burst. At the end of the burst the task is
 * set aside, so that others of its VM run, and goes on in a turn of its own: a slice. At the other
 * three the task is stopped. The VM's hook is called at the first of the four (interrupt.h).
 *
 * There is no Lua in here. The VM's thread only. */
#ifndef TURN_H
#define TURN_H

#include <stdint.h>

struct cpu;

/* Embedded in a task. The kind of the task sets the first three; all else is zero at first. */
struct turn {
    uint64_t bound_ms; /* how long a turn may last; 0: until the deadline */
    uint64_t burst_ms; /* when a task that computes is set aside; 0: never */
    uint64_t cpu_ms;   /* the processor time of all turns; 0: no bound */
    uint64_t used_ns;  /* the processor time of the turns that have ended */
    uint64_t began_ns; /* clock_ns() time; 0: no turn runs */
    uint64_t until_ms; /* clock_ms() time at which the turn is late */
    uint64_t aside_ms; /* at which it is to be set aside */
    uint64_t look_ms;  /* at which turn_look() is to be called next */
};

enum turn_end {
    TURN_GOES_ON,
    TURN_ASIDE,
    TURN_LATE,  /* past its deadline or the bound of a turn */
    TURN_SPENT, /* it has used up its processor time */
    TURN_CLOSED /* the VM stops; turn_look() does not say so */
};

/* goes_on: the task was set aside. */
void turn_begin(struct turn *n, struct cpu *c, uint64_t deadline_ms, int goes_on);
void turn_end(struct turn *n, struct cpu *c);

/* What is to happen now, in a turn that runs. Sets look_ms for TURN_GOES_ON. */
enum turn_end turn_look(struct turn *n, struct cpu *c);

/* The task cannot be set aside here: it is tried again a slice later. Sets look_ms. */
void turn_later(struct turn *n, struct cpu *c);

/* 1: the task has used up its processor time. Between turns. */
int turn_spent(const struct turn *n);

#endif
