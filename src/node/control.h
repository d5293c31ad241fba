/* SPDX-License-Identifier: MIT */
/* control.h - the control worker of a node: a VM that takes no loads and runs what the script has
 * run beside its getters (script/background.h).
 *
 * Its VM is the one that has read the script first, at the start and at each reload. A new control
 * worker takes over when nothing runs in the old one any more. One that is stuck in C is not waited
 * for: it is left to itself, and freed when it comes out.
 *
 * Taking over and stopping belong to the node's thread, watching to the node's watch thread. */
#ifndef CONTROL_H
#define CONTROL_H

#include <stdint.h>

#include "base/err.h"

struct background_stats;
struct control;
struct vm_opts;
struct worker;

/* `ready` comes once for each worker that takes over, on the node's thread or that of the worker:
 * the node need not wait for its functions, or does so no longer. */
struct control *control_new(void (*ready)(void *ctx), void *ctx);

/* Lets a worker whose VM has run the script take over. Takes the worker, also when it fails: then
 * the old one goes on. */
enum err control_take_over(struct control *c, struct worker *w, const struct vm_opts *vm,
                           struct error *e);

/* Notices a worker that is stuck, and frees those that have ended. Some times a second. */
void control_watch(struct control *c, uint64_t now_ms);

/* Any thread: 1 while the worker is stuck in a C function. */
int control_stuck(const struct control *c);

/* Any thread: calls fn for each function of the script, in order of definition. */
void control_each(struct control *c, void (*fn)(void *arg, const struct background_stats *s),
                  void *arg);

/* Tells the worker to end, and returns at once. Nothing takes over after it. */
void control_quit(struct control *c);

/* The second half, when nothing watches any more: 1 when all threads have ended; 0 when one is
 * stuck in C at until_ms, and nothing that it borrows may be freed. */
int control_stop(struct control *c, uint64_t until_ms);

/* After control_stop() said 1. */
void control_free(struct control *c);

#endif
