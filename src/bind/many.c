/* SPDX-License-Identifier: MIT */
/* many.c - many keys of a group at once: a getter waits for them, a program's thread blocks. */
#include "bind/bind.h"

#include "base/mem.h"
#include "bind/core.h"
#include "bind/many.h"
#include "bind/value.h"
#include "bind/which.h"
#include "cache/group.h"
#include "cache/group_many.h"
#include "script/check.h"
#include "script/op.h"
#include "script/task.h"
#include "script/vm.h"

/* `late` is the error of a key without an end. */
static void push_error(lua_State *L, const struct result *r, const struct error *late)
{
    const struct error *e = r->err.code ? &r->err : late;

    lua_createtable(L, 0, 2);
    lua_pushstring(L, e->msg);
    lua_setfield(L, -2, "message");
    lua_pushstring(L, err_name(e->code));
    lua_setfield(L, -2, "code");
}

void many_push(lua_State *L, struct group *g, struct many *m, int keys, int full,
               const struct error *late)
{
    size_t i, n = group_many_count(m), bytes = 0;

    luaL_argcheck(L, lua_objlen(L, keys) == n, keys, "not the keys that were asked for");
    for (i = 0; i < n; i++)
        bytes += group_many_bytes(m, i);
    core_make_room(L, bytes);
    lua_newtable(L);
    lua_newtable(L);
    for (i = 0; i < n; i++) {
        const struct result *r = group_many_open(m, i);
        int is_value = r->item && (full || item_is_value(r->item));
        struct result no_value = {.item = NULL};

        lua_rawgeti(L, keys, (int)i + 1);
        if (r->item && !is_value)
            extra_refuse(item_status(r->item), group_name(g), &no_value.err);
        if (is_value && full)
            value_push_full(L, r->item);
        else if (is_value)
            lua_pushlstring(L, item_value(r->item), r->item->value_len);
        else
            push_error(L, r->item ? &no_value : r, late);
        lua_rawset(L, is_value ? -4 : -3);
    }
}

int many_no_memory(lua_State *L, size_t n)
{
    struct error e;

    error_set(&e, ERR_NOMEM, "no memory for %zu loads", n);
    return core_error(L, &e);
}

/* --- in a getter --- */

struct many_op {
    struct op op;
    struct patience patience;
    struct group *group; /* a reference */
    struct many *many;
};

static void many_op_free(struct op *op)
{
    struct many_op *m = (struct many_op *)(void *)op;

    group_many_free(m->many);
    group_unref(m->group);
    mem_free(m);
}

/* No strand waits any more. If the loads have ended meanwhile, on_done() is on its way. */
static void many_op_cancel(struct op *op)
{
    struct many_op *m = (struct many_op *)(void *)op;

    core_patience_end(&m->patience);
    if (group_many_cancel(m->many))
        op_drop(op);
}

static const struct op_kind many_kind = {
    .cancel = many_op_cancel, .free = many_op_free, .is_load = 1};

static void many_op_late(struct op *op)
{
    struct many_op *m = (struct many_op *)(void *)op;

    if (group_many_cancel(m->many))
        op_finish(op);
}

static void on_done(void *ctx, struct many *m)
{
    struct many_op *op = ctx;

    (void)m;
    op_finish(&op->op);
}

/* core.get_many(group, keys, timeout_ms or nil) -> op; then await it and take
 * core.get_many_result(op, keys) | nil, message, code */
static int l_get_many(lua_State *L)
{
    size_t n;
    const struct key *keys = core_check_keys(L, 2, &n);
    double timeout_ms = luaL_optnumber(L, 3, 0); /* checked before */
    struct op **slot = core_new_op(L);
    struct group *group;
    struct many_op *m;
    struct vm *vm;

    check_can_wait(L, "group:get_many");
    vm = vm_of(L);
    group = which_group(L, "group:get_many", NULL);
    m = mem_zalloc(sizeof(*m));
    op_init(&m->op, &many_kind, vm);
    m->group = group;
    m->many = group_many_start(group, keys, n, 0,
                               &(struct many_caller){.from = vm_current(vm)->flight,
                                                     .done = on_done,
                                                     .ctx = m,
                                                     .max_bytes = (size_t)(vm_most_bytes(vm) / 2)});
    if (!m->many) {
        op_drop(&m->op);
        op_unref(&m->op);
        return many_no_memory(L, n);
    }
    *slot = &m->op;
    if (timeout_ms > 0)
        core_patience_begin(&m->patience, &m->op, (uint64_t)timeout_ms, many_op_late);
    return 1;
}

/* core.get_many_result(op, keys, full) -> values, errors */
static int l_get_many_result(lua_State *L)
{
    struct op *op = core_check_op(L, 1);
    struct many_op *m = (struct many_op *)(void *)op;
    struct error late;

    luaL_argcheck(L, op->kind == &many_kind && op->done && m->many, 1,
                  "not a get_many that has ended");
    luaL_checktype(L, 2, LUA_TTABLE);
    core_patience_end(&m->patience);
    group_late(m->group, m->patience.ms, &late);
    many_push(L, m->group, m->many, 2, lua_toboolean(L, 3), &late);
    group_many_free(m->many); /* now rather than by the collector */
    m->many = NULL;
    return 2;
}

/* --- in a program --- */

static void release_many(void *many)
{
    group_many_free(many);
}

/* core.wait_many(handle, keys, timeout_ms or nil, full) -> values, errors | nil, message, code:
 * blocks the thread. */
static int l_wait_many(lua_State *L)
{
    size_t n;
    const struct key *keys = core_check_keys(L, 2, &n);
    uint64_t timeout_ms = (uint64_t)luaL_optnumber(L, 3, 0);
    void **slot = core_owner(L, release_many);
    struct group *g = which_group(L, "group:get_many", NULL);
    struct many *m = group_many_wait(g, keys, n, timeout_ms, MANY_PROGRAM_BYTES);
    struct error late;

    *slot = m;
    group_late(g, timeout_ms ? timeout_ms : group_opts(g).timeout_ms, &late);
    group_unref(g); /* the handle has another reference */
    if (!m)
        return many_no_memory(L, n);
    many_push(L, g, m, 2, lua_toboolean(L, 4), &late);
    group_many_free(m);
    *slot = NULL;
    return 2;
}

const luaL_Reg bind_many[] = {
    {"get_many", l_get_many},
    {"get_many_result", l_get_many_result},
    {"wait_many", l_wait_many},
    {NULL, NULL},
};
