/* SPDX-License-Identifier: MIT */
/* task.h - code of a script that may wait: a coroutine, its children, one deadline.
 *
 * A task has a kind: a load (getter.h) or another function of the script. A task ends exactly once
 * and always tells its kind. It ends with the results or the error of the function, with TIMEOUT at
 * its deadline, or with CLOSED when the VM stops. Its coroutines are strands: the function's own,
 * and one for each function that it spawned. A strand that computes for long is set aside (turn.h).
 * VM's thread only. */
#ifndef TASK_H
#define TASK_H

#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "base/timers.h"
#include "cache/flight.h"
#include "script/results.h"
#include "script/turn.h"

struct error;
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

    int cannot_wait; /* 1: what waits raises */
};

enum strand_state {
    STRAND_NEW,
    STRAND_RUNS,
    STRAND_WAITS,  /* for its ops */
    STRAND_ASKS,   /* the same, and one of them is a load */
    STRAND_PARKED, /* it yielded to another loop, which will go on with it */
    STRAND_ASIDE,  /* it was set aside while it computed, and goes on when it is its turn */
    STRAND_STATES
};

/* A coroutine of a task. All but `co` is task.c's own. */
struct strand {
    struct list link;  /* in the task's children; the function's own strand is not linked */
    struct list aside; /* in the VM's list while STRAND_ASIDE */
    struct task *task;
    struct lua_State *co; /* kept alive by ref */
    int ref;              /* in the registry, like handle_ref */
    struct strand **slot; /* in its handle; NULL: no other loop knows it */
    int handle_ref;
    enum strand_state state;
    int nested;             /* it runs inside of other code of the VM that was resumed before */
    struct list ops;        /* op.wait: what it waits for, one or several; empty while it runs */
    struct results results; /* of the call that waits */
};

/* Embedded at the start of a kind's own struct. Before task_start() all of it is zero except what
 * the kind sets; the rest is task.c's own. */
struct task {
    const struct task_kind *kind; /* the kind sets it, like what follows up to `turn` */
    struct vm *vm;
    struct flight *flight; /* of a load; NULL: the task is not a load */
    size_t max_bytes;      /* of a fetched answer, if the fetch sets no bound */
    uint64_t deadline_ms;  /* clock_ms() time, or TASK_NO_DEADLINE_MS */
    struct turn turn;      /* the kind sets its bounds */
    struct list link;      /* in the VM's tasks */
    struct timer deadline;
    struct strand own;           /* the function's */
    struct list children;        /* strand.link */
    struct strand *current;      /* the strand that runs, or NULL */
    enum turn_end stopped;       /* by the hook: it computed for too long, or the VM stops */
    enum flight_state place;     /* of the load's flight, if there is one; set by the caller */
    int ran;                     /* enum ran: how the function's own strand ended */
    int n_args;                  /* of the function's first call */
    int in_state[STRAND_STATES]; /* how many of its strands are */
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

/* 1: it was stopped, or is to be, since it has used up its processor time. */
int task_spent(const struct task *t);

/* Goes on with the strand of the VM that was set aside first. Does nothing when there is none. */
void task_go_on(struct vm *vm);

/* Calls a C function in protected mode for a task that has run. The bounds of the task hold for
 * script code that the function calls. It cannot wait. Returns 0 when it failed, and nothing is
 * left on the stack. */
int task_call(struct task *t, int (*body)(struct lua_State *L), void *arg);

/* The strand waits for one more op, which has not ended. The caller yields next, and keeps the ops'
 * Lua values on the coroutine's stack meanwhile: what is not there may be collected. If the yield
 * is to return something, the caller sets s->results. */
void task_wait_for(struct strand *s, struct op *op);

/* --- strands as userdata for the Lua side (wait.lua), empty once the strand has ended --- */

#define TASK_STRAND "groupcache.strand" /* its metatable */

struct strand *task_strand(struct lua_State *L, int index); /* NULL: gone. Raises. */
const char *task_strand_state(const struct strand *s); /* new, running, waiting, parked, set aside,
                                                          gone */

/* Keeps the function on top of the stack, and pops it. It is called with a child's strand that has
 * yielded, in a VM without another loop: nobody will resume it. */
void task_on_stray(struct lua_State *L);

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

/* The VM's hook (script/interrupt.h): stops a task that computes for too long, or sets it aside. */
void task_hook(struct lua_State *L, struct lua_Debug *ar);

#endif
