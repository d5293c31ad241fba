/* SPDX-License-Identifier: MIT */
#include "script/op.h"

#include <stdatomic.h>
#include <stddef.h>

#include "script/vm.h"

struct op *op_ref(struct op *op)
{
    atomic_fetch_add_explicit(&op->refs, 1, memory_order_relaxed);
    return op;
}

void op_unref(struct op *op)
{
    if (op && atomic_fetch_sub_explicit(&op->refs, 1, memory_order_acq_rel) == 1)
        op->kind->free(op);
}

/* On the VM's thread, or on the thread that abandons the VM. */
static void op_arrived(struct msg *m)
{
    struct op *op = (struct op *)(void *)((char *)m - offsetof(struct op, msg));
    struct strand *s;

    if (vm_quitting(op->vm)) { /* its tasks are not resumed any more */
        op_unref(op);
        return;
    }
    s = op->strand;
    op->done = 1;
    op_unref(op); /* the Lua value of a strand that waits still holds one */
    if (s)
        op->resume(s);
}

void op_init(struct op *op, const struct op_kind *kind, struct vm *vm)
{
    op->msg.run = op_arrived;
    op->kind = kind;
    op->vm = vm;
    op->strand = NULL;
    op->resume = NULL;
    list_init(&op->wait);
    op->done = 0;
    atomic_init(&op->refs, 2);
    vm_op_begins(vm);
}

void op_finish(struct op *op)
{
    struct vm *vm = op->vm;

    if (!inbox_post(vm_inbox(vm), &op->msg))
        op_unref(op);
    vm_op_ends(vm);
}

void op_drop(struct op *op)
{
    struct vm *vm = op->vm;

    op_unref(op);
    vm_op_ends(vm);
}

void op_await(struct op *op, struct strand *strand, struct list *ops,
              void (*resume)(struct strand *strand))
{
    if (list_linked(&op->wait))
        return;
    op->strand = strand;
    op->resume = resume;
    list_push_back(ops, &op->wait);
}

void op_leave(struct op *op)
{
    op->strand = NULL;
    list_del(&op->wait);
}

void op_cancel(struct op *op)
{
    op_leave(op);
    if (!op->done && op->kind->cancel)
        op->kind->cancel(op);
}
