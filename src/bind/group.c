/* SPDX-License-Identifier: MIT */
/* group.c - defining a group, and asking one from inside a getter. */
#include "bind/bind.h"

#include <lauxlib.h>
#include <lua.h>
#include <stddef.h>
#include <string.h>

#include "base/list.h"
#include "base/mem.h"
#include "bind/core.h"
#include "bind/value.h"
#include "bind/which.h"
#include "cache/group.h"
#include "cache/groups.h"
#include "cache/packed.h"
#include "script/check.h"
#include "script/defs.h"
#include "script/op.h"
#include "script/task.h"
#include "script/vm.h"

/* core.define(name, numbers, content_type, getter, where, pass_headers, peers or nil, takes_ctx,
 * writers, keying, key function or nil, the number of its arguments): records a group.
 * groupcache/init.lua has checked and completed the options. -> true | nil, message, code */
static int l_define(lua_State *L)
{
    struct vm *vm = which_vm(L, "groupcache.group");
    struct def d = {
        .name = (char *)(size_t)luaL_checkstring(L, 1), /* borrowed: defs_add() copies */
        .content_type = (char *)(size_t)luaL_checkstring(L, 3),
        .where = (char *)(size_t)luaL_checkstring(L, 5),
        .pass_headers = (char *)(size_t)luaL_checkstring(L, 6),
        .peers = (char *)(size_t)luaL_optstring(L, 7, NULL),
        .takes_ctx = lua_toboolean(L, 8),
        .writers = (char *)(size_t)luaL_checkstring(L, 9),
        .keying = (char *)(size_t)luaL_checkstring(L, 10),
        .key_args = luaL_optint(L, 12, 0),
    };
    struct error e;

    if (!vm_defining(vm)) {
        error_set(&e, ERR_INVAL,
                  "group \"%s\": groups are defined while the script runs, not later", d.name);
        return core_error(L, &e);
    }
    core_check_numbers(L, 2, &d.opts);
    luaL_checktype(L, 4, LUA_TFUNCTION);
    lua_pushvalue(L, 4);
    d.getter_ref = luaL_ref(L, LUA_REGISTRYINDEX); /* a refused def ends the script */
    if (d.key_args) {
        lua_pushvalue(L, 11);
        d.key_ref = luaL_ref(L, LUA_REGISTRYINDEX);
    }
    if (defs_add(vm_defs(vm), &d, &e))
        return core_error(L, &e);
    lua_pushboolean(L, 1);
    return 1;
}

/* --- group:get --- */

struct get_op {
    struct op op;
    struct waiter waiter;
    struct patience patience;
    struct group *group; /* a reference */
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

/* core.get(group, key, timeout_ms or nil, missed) -> op; then await it and take
 * core.get_result(op). A hit is an op that has ended. missed: hit() has just counted a miss. */
static int l_get(lua_State *L)
{
    struct key_ref k = core_check_key(L, 2);
    double timeout_ms = luaL_optnumber(L, 3, 0); /* init.lua has checked it */
    struct vm *vm = which_vm(L, "group:get");
    struct op **slot = core_new_op(L);
    struct group *group;
    struct get_op *g;
    int ended;

    check_can_wait(L, "group:get");
    group = which_group(L, "group:get", NULL);
    g = mem_zalloc(sizeof(*g));
    op_init(&g->op, &get_kind, vm);
    g->group = group;
    g->waiter.wake = get_wake;
    g->waiter.from = vm_current(vm)->flight;
    *slot = &g->op;
    ended = lua_toboolean(L, 4) ? group_load(group, &k, 0, &g->waiter, &g->result)
                                : group_look_or_load(group, &k, 0, &g->waiter, &g->result);
    if (ended) {
        g->op.done = 1;
        op_drop(&g->op);
    } else if (timeout_ms > 0) {
        core_patience_begin(&g->patience, &g->op, (uint64_t)timeout_ms, get_late);
    }
    return 1;
}

/* core.get_result(op, full) -> value, nil, source | nil, message, code; full: a table with the
 * value and its extras */
static int l_get_result(lua_State *L)
{
    struct op *op = core_check_op(L, 1);
    struct get_op *g = (struct get_op *)(void *)op;

    luaL_argcheck(L, op->kind == &get_kind && op->done, 1, "not a get that has ended");
    core_patience_end(&g->patience);
    if (g->result.item)
        vm_make_room(vm_of(L), g->result.item->value_len);
    return g->result.item
               ? value_push(L, g->group, g->result.item, g->result.source, lua_toboolean(L, 2))
               : core_error(L, &g->result.err);
}

/* core.can_compress(coding) -> whether this build knows it */
static int l_can_compress(lua_State *L)
{
    lua_pushboolean(L, packed_name((enum packed_coding)luaL_checkint(L, 1)) != NULL);
    return 1;
}

const luaL_Reg bind_group[] = {
    {"can_compress", l_can_compress}, {"define", l_define}, {"get", l_get},
    {"get_result", l_get_result},     {NULL, NULL},
};
