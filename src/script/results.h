/* SPDX-License-Identifier: MIT */
/* results.h - the results of a C function that has yielded, for the Lua code that called it.
 *
 * The function leaves the VM when it yields. What its caller gets is given to lua_resume(), and is
 * pushed right before. The VM's thread. */
#ifndef RESULTS_H
#define RESULTS_H

struct lua_State;
struct op;

/* Embedded; all zero: the resume gives nothing. */
struct results {
    int (*push)(struct lua_State *L, struct op *op);
    struct op *op; /* borrowed: its Lua value is on the coroutine's stack */
};

/* The next resume gives what push(L, op) pushes, whose number it returns: a few values. It is
 * called in protected mode, and raises for want of memory alone. */
void results_set(struct results *r, struct op *op, int (*push)(struct lua_State *L, struct op *op));

/* Pushes the results, if there are any, onto the stack of the coroutine, and adds their number to
 * *n. L: the state of the code that runs, which calls the push. 0: no memory, and nothing was
 * pushed. */
int results_push(struct results *r, struct lua_State *L, struct lua_State *co, int *n);

#endif
