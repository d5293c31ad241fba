/* SPDX-License-Identifier: MIT */
/* loop.h - another event loop inside a VM, such as cqueues or libuv.
 *
 * The loop's own part is a Lua module, groupcache.loop.NAME, which returns four functions:
 *
 *   go(strand, co)   it is the strand's turn: calls core.run() where the loop wants
 *   step(left)       runs what is due, without waiting; left: a parked strand has ended
 *   poll()           -> a descriptor that is readable when step() has work, seconds until then
 *   close()          releases what would keep the VM from ending
 *
 * The VM's thread sleeps on that descriptor and its inbox at once, so neither loop polls for the
 * other. step() runs the loop's own code, strands (task.h), and outsiders: callbacks and coroutines
 * of a script outside of getters. An outsider may compute for a second. VM's thread only; nothing
 * here raises. */
#ifndef LOOP_H
#define LOOP_H

#include <stdint.h>

#include "base/err.h"

struct loop;
struct lua_State;
struct vm;

/* Loads the module. NULL and e: there is no such loop, or its library is missing. */
struct loop *loop_open(struct vm *vm, const char *name, struct error *e);
void loop_free(struct loop *loop); /* NULL is fine */

/* Calls go() with the values of these references in the registry. 0: there was no memory. */
int loop_go(struct loop *loop, int handle_ref, int co_ref);
void loop_step(struct loop *loop);
void loop_poll(struct loop *loop, int *fd, int *wait_ms); /* -1: no descriptor; no bound */
void loop_close(struct loop *loop);

/* Called by close(), whose own callbacks may run until here. The script's callbacks do not run. */
void loop_let_go(struct loop *loop);

/* A parked strand has ended: the next step() is told. */
void loop_note_left(struct loop *loop);

/* Before and after an outsider runs: bounds its time. Outsiders may nest. */
void loop_enter(struct loop *loop);
void loop_leave(struct loop *loop);

/* The time until which the loop's code may run after a strand has yielded. 0 when loop is NULL. */
uint64_t loop_until_ms(const struct loop *loop);

/* Called by the hook, outside of a task: 1 when an outsider has computed for too long. */
int loop_overrun(struct loop *loop);

/* Calls libuv's callbacks (luv_CFpcall): their errors are logged. Leaves the results on the stack
 * and returns their number, or nothing and a negative number. */
int loop_callback(struct lua_State *L, int nargs, int nresults, int flags);

#endif
