/* SPDX-License-Identifier: MIT */
/* op.h - something a getter waits for: an HTTP exchange, a value of another group, a time.
 *
 * An op is begun on the VM's thread, ends on any thread, and is told of on the VM's thread again:
 * whoever ends it calls op_finish(), which posts it to the VM's inbox, and the strand that waits
 * is resumed there. When its task is gone by then (its deadline passed), nothing happens.
 *
 * An op belongs to its references: the Lua value's and the one of whatever will end it. It holds
 * no Lua value, so the last one may be dropped anywhere. */
#ifndef OP_H
#define OP_H

#include "base/inbox.h"
#include "base/list.h"

struct op;
struct strand;
struct vm;

struct op_kind {
    /* VM's thread: nobody waits any more; let the work end soon. May be NULL. */
    void (*cancel)(struct op *op);
    /* Any thread: frees the op and what it holds. */
    void (*free)(struct op *op);
};

/* Embedded at the start of a kind's own struct. */
struct op {
    struct msg msg;
    const struct op_kind *kind; /* set once */
    struct vm *vm;              /* set once */
    struct strand *strand;      /* the VM's thread: who waits, or NULL */
    struct list wait;           /* the VM's thread: in that strand's ops */
    int done;                   /* the VM's thread */
    _Atomic unsigned refs;      /* atomic */

    /* The VM's thread: goes on with the strand. Set with it. */
    void (*resume)(struct strand *strand);
};

/* Two references: the caller's Lua value's and the work's. */
void op_init(struct op *op, const struct op_kind *kind, struct vm *vm);
struct op *op_ref(struct op *op);
void op_unref(struct op *op); /* NULL is fine */

/* Any thread: the work is over. Takes the work's reference. Until this or op_drop() has returned,
 * the op keeps its VM from being freed. */
void op_finish(struct op *op);

/* VM's thread: the work was never begun, is over already, or was called off. Takes its reference.
 */
void op_drop(struct op *op);

/* VM's thread: the strand, whose ops are in the list, waits for one more op, which has not ended.
 * It is resumed when the op has. Nothing when it waits for the op already. */
void op_await(struct op *op, struct strand *strand, struct list *ops,
              void (*resume)(struct strand *strand));

/* VM's thread: its strand does not wait for it any more. */
void op_leave(struct op *op);

/* VM's thread: the Lua value is gone, or the task that waits is. */
void op_cancel(struct op *op);

#endif
