/* SPDX-License-Identifier: MIT */
/* check.h - whether the code that runs may wait, and errors at the script's own line.
 *
 * These raise. For C functions that the Lua functions of the API call. The VM's thread only. */
#ifndef CHECK_H
#define CHECK_H

struct lua_State;
struct strand;
struct vm;

/* luaL_error() at the line of the Lua function's caller. */
int check_raise(struct lua_State *L, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Raises, in the name of `what`, unless code of a task runs. */
void check_can_wait(struct lua_State *L, const char *what);

/* The strand that runs and may wait here. Raises, in the name of `what`, outside of a task, in a
 * coroutine of its own, under a C function. */
struct strand *check_to_wait(struct lua_State *L, const char *what);

/* The same for a C function that the script calls itself. */
struct strand *check_to_wait_here(struct lua_State *L, const char *what);

/* 1: check_to_wait() would not raise. */
int check_may_wait(struct vm *vm, struct lua_State *L);

#endif
