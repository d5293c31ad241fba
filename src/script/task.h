/* SPDX-License-Identifier: MIT */
/* task.h - a load that runs in a VM: one flight, one coroutine, one deadline.
 *
 * A task ends exactly once and always ends its flight: with the getter's value, with what went
 * wrong, with TIMEOUT when its deadline passes while it waits or computes, with CLOSED when the VM
 * stops. VM's thread only. */
#ifndef TASK_H
#define TASK_H

#include <stdint.h>

struct def;
struct flight;
struct lua_State;
struct op;
struct task;
struct vm;

/* Runs the flight's getter until it waits or ends. Takes the loader's reference to f. */
void task_start(struct vm *vm, struct flight *f);

/* Goes on with a task whose op has ended. */
void task_resume(struct task *t);

/* Ends every task of the VM with CLOSED. */
void task_end_all(struct vm *vm);

/* The group the task loads for, and the clock_ms() time at which it is over. */
const struct def *task_def(const struct task *t);
uint64_t task_deadline_ms(const struct task *t);
struct flight *task_flight(const struct task *t); /* borrowed */

/* The task whose getter runs and may wait here. Raises, in the name of `what`, outside of a getter,
 * in a coroutine of its own, under a C function. */
struct task *task_to_wait(struct lua_State *L, const char *what);

/* The task waits for one more op, which has not ended. The caller yields next, and keeps the ops'
 * Lua values on the coroutine's stack meanwhile: what is not there may be collected. */
void task_wait_for(struct task *t, struct op *op);

/* Raises, in `what`'s name, unless the code that runs may wait. */
void task_check_can_wait(struct lua_State *L, const char *what);

/* luaL_error() for C functions that the API's Lua functions call: the line is of those' caller. */
int task_raise(struct lua_State *L, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Installs what stops getters that compute past their deadline. */
void task_watch(struct vm *vm);

#endif
