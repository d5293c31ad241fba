/* SPDX-License-Identifier: MIT */
/* task.h - a load that runs in a VM: one flight, one coroutine, one deadline.
 *
 * A task ends exactly once and always ends its flight: with the getter's value, with what went
 * wrong, with TIMEOUT when its deadline passes while it waits or computes, with CLOSED when the VM
 * stops. What runs in it are strands: the getter's own coroutine and, when the VM has another loop
 * (loop.h), one for each function that it spawned. VM's thread only. */
#ifndef TASK_H
#define TASK_H

#include <stdint.h>

struct def;
struct flight;
struct lua_Debug;
struct lua_State;
struct op;
struct strand;
struct task;
struct vm;

/* Runs the flight's getter until it waits or ends. Takes the loader's reference to f. */
void task_start(struct vm *vm, struct flight *f);

/* Goes on with a strand whose op has ended. */
void task_resume(struct strand *s);

/* Ends every task of the VM with CLOSED. */
void task_end_all(struct vm *vm);

/* The group the task loads for, and the clock_ms() time at which it is over. */
const struct def *task_def(const struct task *t);
uint64_t task_deadline_ms(const struct task *t);
struct flight *task_flight(const struct task *t); /* borrowed */

/* The strand that runs and may wait here. Raises, in the name of `what`, outside of a getter,
 * in a coroutine of its own, under a C function. */
struct strand *task_to_wait(struct lua_State *L, const char *what);

/* 1: it would not raise. */
int task_may_wait(struct vm *vm, struct lua_State *L);

/* The strand waits for one more op, which has not ended. The caller yields next, and keeps the ops'
 * Lua values on the coroutine's stack meanwhile: what is not there may be collected. */
void task_wait_for(struct strand *s, struct op *op);

/* Raises, in `what`'s name, unless the code that runs may wait. */
void task_check_can_wait(struct lua_State *L, const char *what);

/* The same, under a C function too. */
void task_check_can_yield(struct lua_State *L, const char *what);

/* luaL_error() for C functions that the API's Lua functions call: the line is of those' caller. */
int task_raise(struct lua_State *L, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* --- strands, for another loop's Lua: each is a userdata there, empty once the strand is gone ---
 */

#define TASK_STRAND "groupcache.strand" /* its metatable */

struct strand *task_strand(struct lua_State *L, int index); /* NULL: gone. Raises. */
const char *task_strand_state(const struct strand *s); /* new, running, waiting, parked or gone */

/* Makes a strand of the function at index 1 in the task that runs, and pushes it and its coroutine.
 * Raises. */
void task_spawn(struct lua_State *L);

/* Goes on with the strand at index 1, what follows being what its yield returns. When it yields to
 * the loop it is parked, and true and what it yielded are pushed; else nothing is. Returns the
 * number of what was pushed. May raise before and after the strand has run. */
int task_run(struct lua_State *L);

/* The loop cannot go on with a parked strand: ends its task with GETTER. */
void task_fail(struct strand *s, const char *msg);

/* The loop gives a parked strand up; nothing when it is the getter's own. */
void task_drop(struct strand *s);

/* The VM's hook (script/interrupt.h): stops a getter that computes past its deadline. */
void task_hook(struct lua_State *L, struct lua_Debug *ar);

#endif
