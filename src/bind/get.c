/* SPDX-License-Identifier: MIT */
#include "bind/get.h"

#include <stddef.h>

#include "base/list.h"
#include "base/mem.h"
#include "bind/core.h"
#include "bind/value.h"
#include "cache/flight.h"
#include "cache/group.h"
#include "cache/item.h"
#include "script/op.h"
#include "script/task.h"
#include "script/vm.h"

struct get_op {
    struct op op;
    struct waiter waiter;
    struct patience patience;
    struct group *group; /* a reference */
    int full;
    struct result result;
};

static void get_free(struct op *op)
{
    struct get_op *g = (struct get_op *)(void *)op;

    item_unref(g->result.item);
    group_unref(g->group);
    mem_free(g);
}

static void get_cancel(struct op *op)
{
    struct get_op *g = (struct get_op *)(void *)op;

    core_patience_end(&g->patience);
    if (group_cancel(g->group, &g->waiter))
        op_drop(op); /* no work will finish it */
}

static const struct op_kind get_kind = {.cancel = get_cancel, .free = get_free, .is_load = 1};

static void get_wake(struct waiter *w, const struct result *r)
{
    struct get_op *g = list_entry(w, struct get_op, waiter);

    result_copy(&g->result, r);
    op_finish(&g->op);
}

/* The flight goes on, for other waiters and for the cache. */
static void get_late(struct op *op)
{
    struct get_op *g = (struct get_op *)(void *)op;

    if (!group_cancel(g->group, &g->waiter))
        return;
    group_late(g->group, g->patience.ms, &g->result.err);
    op_finish(op);
}

/* The get has ended. */
static int push_results(lua_State *L, struct op *op)
{
    struct get_op *g = (struct get_op *)(void *)op;

    core_patience_end(&g->patience);
    if (!g->result.item)
        return core_error(L, &g->result.err);
    vm_make_room(op->vm, g->result.item->value_len);
    return value_push(L, g->group, g->result.item, g->result.source, g->full);
}

static struct get_op *new_op(struct strand *s, const struct get_asked *asked)
{
    struct get_op *g = mem_zalloc(sizeof(*g));

    op_init(&g->op, &get_kind, s->task->vm);
    g->group = group_ref(asked->group);
    g->full = asked->full;
    g->waiter.wake = get_wake;
    g->waiter.from = s->task->flight;
    return g;
}

int get_ask(lua_State *L, struct strand *s, int key, const struct get_asked *asked)
{
    struct key_ref k = core_check_key(L, key);
    struct op **slot = core_new_op(L);
    struct get_op *g = new_op(s, asked);
    int ended;

    *slot = &g->op;
    ended = asked->missed ? group_load(g->group, &k, 0, &g->waiter, &g->result)
                          : group_look_or_load(g->group, &k, 0, &g->waiter, &g->result);
    if (ended) {
        g->op.done = 1;
        op_drop(&g->op);
        return push_results(L, &g->op);
    }
    if (asked->timeout_ms)
        core_patience_begin(&g->patience, &g->op, asked->timeout_ms, get_late);
    task_wait_for(s, &g->op);
    results_set(&s->results, &g->op, push_results);
    return lua_yield(L, 1); /* the op's Lua value, which otherwise may be collected */
}
