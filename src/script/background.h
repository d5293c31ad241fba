/* SPDX-License-Identifier: MIT */
/* background.h - runs the background functions of a script, in the VM of a control worker.
 *
 * The script defines them while it is read (defs.h). Each call is a task (task.h) without a
 * deadline, bounded by turns. A function with an interval is called again and again. A function
 * without an interval is called once, and again after each failure, with a growing pause. A
 * function never has two calls at a time. Once the VM has been told to quit, it is not called any
 * more.
 *
 * A farewell is a function that is called once, by background_leave(). It runs beside the others.
 */
#ifndef BACKGROUND_H
#define BACKGROUND_H

#include <stdint.h>

struct background;
struct vm;

/* One line of /stats. */
struct background_stats {
    const char *name;
    int repeats;            /* it has an interval */
    uint64_t runs;          /* calls begun */
    uint64_t errors;        /* calls that failed */
    const char *last_error; /* or NULL */
    int running;
    uint64_t running_ms; /* for how long */
};

/* For the functions that the VM's script has defined; borrows the VM. background_waits() counts
 * functions. When the last of them has returned, has failed, or has taken longer than its bound,
 * `ready` is called once, on the VM's thread. */
struct background *background_new(struct vm *vm, void (*ready)(void *ctx), void *ctx);

/* The VM's thread has ended, or was never started. NULL is fine. */
void background_free(struct background *b);

/* Any thread, once: the VM's thread begins to call the functions. */
void background_start(struct background *b);

/* Any thread, once, after background_start(): the VM's thread calls the farewells. */
void background_leave(struct background *b);

/* Any thread: the farewells that have not ended. */
unsigned background_farewells(const struct background *b);

/* Any thread: the functions that a node waits for until it is ready. */
unsigned background_waits(const struct background *b);

/* Any thread. */
void background_each(struct background *b, void (*fn)(void *arg, const struct background_stats *s),
                     void *arg);

#endif
