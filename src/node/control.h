/* SPDX-License-Identifier: MIT */
/* control.h - the control worker of a node: a VM that takes no loads and runs the script's
 * background functions (script/background.h).
 *
 * Its VM is the first to run the script, at the start and at each reload. A new control worker
 * takes over when no code runs in the old one any more. A control worker that is stuck in C is
 * abandoned, and freed when it comes out.
 *
 * The node's thread takes over and stops, the node's watch thread watches. */
#ifndef CONTROL_H
#define CONTROL_H

#include <stdint.h>

#include "base/err.h"

struct background_stats;
struct control;
struct vm_opts;
struct worker;

/* `ready` is called once for each worker that takes over, on the node's thread or the worker's.
 * From then on the node does not wait for the worker's functions. */
struct control *control_new(void (*ready)(void *ctx), void *ctx);

/* Lets a worker whose VM has run the script take over; frees it at once if the script defines no
 * background functions. Takes the worker, also on an error. On an
 * error the old worker keeps running. */
enum err control_take_over(struct control *c, struct worker *w, const struct vm_opts *vm,
                           struct error *e);

/* Logs that a worker is stuck, and frees ended ones. To be called some times a second. */
void control_watch(struct control *c, uint64_t now_ms);

/* Any thread: 1 while the worker is stuck in a C function. */
int control_stuck(const struct control *c);

/* Any thread: calls fn for each function of the script, in order of definition. */
void control_each(struct control *c, void (*fn)(void *arg, const struct background_stats *s),
                  void *arg);

/* Runs the farewells of the script, for `ms` at most, or until hurry(arg) says 1 (asked many times
 * a second; NULL: never). Then it returns 1, else 0. Once for each worker. */
int control_leave(struct control *c, uint64_t ms, int (*hurry)(void *arg), void *arg);

/* Tells the worker to end, and returns at once. Nothing takes over after it. */
void control_quit(struct control *c);

/* The second half, after the last control_watch(). 1: all threads have ended. 0: a thread is stuck
 * in C at until_ms, and nothing that it borrows may be freed. */
int control_stop(struct control *c, uint64_t until_ms);

/* After control_stop() said 1. */
void control_free(struct control *c);

#endif
