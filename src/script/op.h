/* SPDX-License-Identifier: MIT */
/* op.h - something a getter waits for: an HTTP exchange, a value of another group, a time.
 *
 * An op begins on the VM's thread and ends on any thread: op_finish() posts it to the VM's inbox.
 * There the VM's thread resumes the strand that waits. If its task has ended by then (its deadline
 * passed), nothing happens.
 *
 * An op has two references: its Lua value's, and that of the work that will end it. It holds no Lua
 * value, so the last reference may be dropped on any thread. */
#ifndef OP_H
#define OP_H

#include "base/inbox.h"
#include "base/list.h"

struct op;
struct strand;
struct vm;

struct op_kind {
    /* VM's thread: no strand waits any more, so the work should end soon. May be NULL. */
    void (*cancel)(struct op *op);
    /* Any thread: frees the op and what it holds. */
    void (*free)(struct op *op);
    int is_load; /* 1: it ends when a load of a group ends */
};

/* Embedded at the start of a kind's own struct. */
struct op {
    struct msg msg;
    const struct op_kind *kind; /* set once */
    struct vm *vm;              /* set once */
    struct strand *strand;      /* the VM's thread: the strand that waits, or NULL */
    struct list wait;           /* the VM's thread: in that strand's ops */
    int done;                   /* the VM's thread */
    _Atomic unsigned refs;      /* atomic */

    /* The VM's thread: resumes the strand. Set with `strand`. */
    void (*resume)(struct strand *strand);
};

/* Two references: the caller's Lua value's and the work's. */
void op_init(struct op *op, const struct op_kind *kind, struct vm *vm);
struct op *op_ref(struct op *op);
void op_unref(struct op *op); /* NULL is fine */

/* Any thread: the work has ended. Takes the work's reference. Until this or op_drop() has returned,
 * the op keeps its VM from being freed. */
void op_finish(struct op *op);

/* VM's thread: the work was not begun, has ended already, or was cancelled. Takes the work's
 * reference. */
void op_drop(struct op *op);

/* VM's thread: the strand, whose ops are in the list, waits for one more op, which has not ended.
 * It is resumed when the op has ended. Does nothing when it waits for the op already. */
void op_await(struct op *op, struct strand *strand, struct list *ops,
              void (*resume)(struct strand *strand));

/* VM's thread: its strand does not wait for it any more. */
void op_leave(struct op *op);

/* VM's thread: the Lua value was collected, or the waiting task has ended. */
void op_cancel(struct op *op);

#endif
