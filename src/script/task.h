/* SPDX-License-Identifier: MIT */
/* task.h - code of a script that may wait: a coroutine, its children, one deadline.
 *
 * A task has a kind: a load (getter.h) or another function of the script. A task ends exactly once
 * and always tells its kind. It ends with the results or the error of the function, with TIMEOUT at
 * its deadline, or with CLOSED when the VM stops. Its coroutines are strands: the function's own
 * and, when the VM has another loop (loop.h), one for each function that it spawned. VM's thread
 * only. */
#ifndef TASK_H
#define TASK_H

#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "base/timers.h"

struct error;
struct flight;
struct lua_Debug;
struct lua_State;
struct op;
struct task;
struct vm;

#define TASK_NO_DEADLINE_MS (UINT64_MAX / 2)

enum task_end { TASK_RETURNED, TASK_THREW, TASK_FAILED };

struct task_kind {
    const char *noun; /* of what runs, such as "the getter", for messages */

    /* Pushes the function and its arguments, and returns the number of arguments. Called in
     * protected mode, and may raise. */
    int (*push)(struct lua_State *L, struct task *t);

    /* The task has ended. The results or the error are on the stack of t->own.co; e says
     * why it failed, and is NULL otherwise. Calls task_leave() and frees the task. */
    void (*end)(struct task *t, enum task_end how, const struct error *e);
};

/* A coroutine of a task. All but `co` is task.c's own. */
struct strand {
    struct list link; /* in the task's children; the function's own strand is not linked */
    struct task *task;
    struct lua_State *co; /* kept alive by ref */
    int ref;              /* in the registry, like handle_ref */
    struct strand **slot; /* in its handle; NULL: no other loop knows it */
    int handle_ref;
    int state;       /* enum strand_state */
    struct list ops; /* op.wait: what it waits for, one or several; empty while it runs */
};

/* Embedded at the start of a kind's own struct. Before task_start() all of it is zero except what
 * the kind sets; the rest is task.c's own. */
struct task {
    const struct task_kind *kind; /* the kind sets it, like what follows up to `turn_ms` */
    struct vm *vm;
    struct flight *flight; /* of a load; NULL: the task is not a load */
    size_t max_bytes;      /* of a fetched answer, if the fetch sets no bound */
    uint64_t deadline_ms;  /* clock_ms() time, or TASK_NO_DEADLINE_MS */
    uint64_t turn_ms;      /* how long it may compute at a time; 0: until the deadline */
    uint64_t until_ms;     /* the end of the turn that runs */
    struct list link;      /* in the VM's tasks */
    struct timer deadline;
    struct strand own;      /* the function's */
    struct list children;   /* strand.link */
    struct strand *current; /* the strand that runs, or NULL */
    int stopped;            /* by the hook: it computed for too long */
    int ran;                /* enum ran: how the function's own strand ended */
    int n_args;             /* of the function's first call */
};

/* Runs the function until it waits or ends. When this returns, the kind's end() may have freed the
 * task. */
void task_start(struct task *t);

/* Releases all that the task has in the VM. The values on its coroutine's stack stay until the next
 * collection, and no code runs before that. */
void task_leave(struct task *t);

/* Ends every task of the VM with CLOSED. */
void task_end_all(struct vm *vm);

/* 1: its deadline has passed. */
int task_overdue(const struct task *t);

/* Calls a C function in protected mode for a task that has run. The bounds of the task hold for
 * script code that the function calls. It cannot wait. Returns 0 when it failed, and nothing is
 * left on the stack. */
int task_call(struct task *t, int (*body)(struct lua_State *L), void *arg);

/* The strand that runs and may wait here. Raises, in the name of `what`, outside of a getter,
 * in a coroutine of its own, under a C function. */
struct strand *task_to_wait(struct lua_State *L, const char *what);

/* 1: task_to_wait() would not raise. */
int task_may_wait(struct vm *vm, struct lua_State *L);

/* The strand waits for one more op, which has not ended. The caller yields next, and keeps the ops'
 * Lua values on the coroutine's stack meanwhile: what is not there may be collected. */
void task_wait_for(struct strand *s, struct op *op);

/* Raises, in `what`'s name, unless the code that runs may wait. */
void task_check_can_wait(struct lua_State *L, const char *what);

/* The same. Raises under a C function, too. */
void task_check_can_yield(struct lua_State *L, const char *what);

/* luaL_error() for C functions that the API's Lua functions call: it names the line of the Lua
 * function's caller. */
int task_raise(struct lua_State *L, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* --- strands as userdata for another loop's Lua, empty once the strand has ended --- */

#define TASK_STRAND "groupcache.strand" /* its metatable */

struct strand *task_strand(struct lua_State *L, int index); /* NULL: gone. Raises. */
const char *task_strand_state(const struct strand *s); /* new, running, waiting, parked or gone */

/* Makes a strand of the function at index 1 in the task that runs, and pushes it and its coroutine.
 * Raises. */
void task_spawn(struct lua_State *L);

/* Resumes the strand at index 1; its yield returns the values above. If it yields to the loop, it
 * is parked, and true and the yielded values are pushed; else nothing is pushed. Returns the number
 * of pushed values. May raise before and after the strand has run. */
int task_run(struct lua_State *L);

/* The loop cannot go on with a parked strand: ends its task with GETTER. */
void task_fail(struct strand *s, const char *msg);

/* The loop gives up a parked strand. Does nothing for the getter's own. */
void task_drop(struct strand *s);

/* The VM's hook (script/interrupt.h): stops a getter that computes past its deadline. */
void task_hook(struct lua_State *L, struct lua_Debug *ar);

#endif
