/* SPDX-License-Identifier: MIT */
/* change.c - set, remove and flush: over all nodes, or in a group alone. A getter waits; a
 * program's thread blocks. */
#include "bind/bind.h"

#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/gate.h"
#include "base/mem.h"
#include "bind/core.h"
#include "bind/which.h"
#include "cache/group.h"
#include "change/change.h"
#include "script/check.h"
#include "script/given.h"
#include "script/op.h"
#include "script/task.h"
#include "script/vm.h"

/* How a change ended. */
struct end {
    struct error err;
    struct buf unconfirmed; /* URLs, each with its NUL */
};

static void keep_end(struct end *end, const struct change_result *r)
{
    size_t i;

    end->err = r->err;
    for (i = 0; i < r->n_unconfirmed; i++)
        buf_put(&end->unconfirmed, r->unconfirmed[i], strlen(r->unconfirmed[i]) + 1);
}

/* Pushes true | nil, message, code | nil, message, "PEER", list of URLs. */
static int push_end(lua_State *L, const struct end *end)
{
    const char *at = end->unconfirmed.data, *last = at + end->unconfirmed.len;
    int n = 0;

    if (!end->err.code) {
        lua_pushboolean(L, 1);
        return 1;
    }
    core_error(L, &end->err);
    if (end->err.code != ERR_PEER)
        return 3;
    lua_newtable(L);
    for (; at < last; at += strlen(at) + 1) {
        lua_pushstring(L, at);
        lua_rawseti(L, -2, ++n);
    }
    return 4;
}

/* --- the arguments --- */

static enum batch_op check_op(lua_State *L, int index)
{
    static const char *const names[] = {"set", "remove", "flush", NULL};
    static const enum batch_op ops[] = {BATCH_SET, BATCH_REMOVE, BATCH_FLUSH};

    return ops[luaL_checkoption(L, index, NULL, names)];
}

/* A value with extras, in a userdata on the stack; the table holds the bytes. Raises. */
static void take_table(lua_State *L, int index, struct change_opts *o, double *ttl_ms)
{
    struct given_table *t = lua_newuserdata(L, sizeof(*t));
    struct error e;

    if (given_read(L, index, t, &e))
        luaL_error(L, "group:set: %s", e.msg); /* group.lua has asked core.check_given() */
    o->value = t->body;
    o->value_len = t->n;
    o->extra = t->extra.bytes;
    o->extra_len = t->extra.n;
    if (!t->has_ttl)
        return;
    *ttl_ms = t->ttl_ms;
    o->ttl_ms = ttl_ms;
}

/* From index 2 on: "set", "remove" or "flush", list of keys, value, ttl_ms. They own the strings; a
 * userdata on the stack owns the array. */
static void check_change(lua_State *L, struct change_opts *o, double *ttl_ms)
{
    o->op = check_op(L, 2);
    o->keys = core_check_keys(L, 3, &o->n_keys);
    if (o->op == BATCH_SET) {
        luaL_argcheck(L, o->n_keys == 1, 3, "a set is of one key");
        *ttl_ms = luaL_optnumber(L, 5, 0);
        o->ttl_ms = lua_isnoneornil(L, 5) ? NULL : ttl_ms;
        if (lua_istable(L, 4))
            take_table(L, 4, o, ttl_ms);
        else
            o->value = luaL_checklstring(L, 4, &o->value_len);
    }
}

/* --- in a getter --- */

/* A change cannot be cancelled: it goes on if the getter ends. */
struct change_op {
    struct op op;
    struct end end;
};

static void change_op_free(struct op *op)
{
    struct change_op *c = (struct change_op *)(void *)op;

    buf_deinit(&c->end.unconfirmed);
    mem_free(c);
}

static const struct op_kind change_kind = {.free = change_op_free};

static void op_ends(void *ctx, const struct change_result *r)
{
    struct change_op *c = ctx;

    keep_end(&c->end, r);
    op_finish(&c->op);
}

/* core.change(group, what it is, list of keys, value, ttl_ms, caller's name) -> op; then await it
 * and take core.change_result(op) */
static int l_change(lua_State *L)
{
    const char *what = luaL_checkstring(L, 6);
    struct change_opts o = {.done = op_ends};
    struct changes *changes;
    struct change_op *c;
    struct op **slot;
    double ttl_ms;

    check_can_wait(L, what);
    lua_settop(L, 6);
    check_change(L, &o, &ttl_ms);
    slot = core_new_op(L);
    o.group = which_group(L, what, &changes);
    c = mem_zalloc(sizeof(*c));
    op_init(&c->op, &change_kind, vm_of(L));
    buf_init(&c->end.unconfirmed, 0);
    *slot = &c->op;
    o.ctx = c;
    change_start(changes, &o);
    group_unref(o.group);
    return 1;
}

/* core.change_result(op) -> true | nil, message, code, list of unconfirmed nodes */
static int l_change_result(lua_State *L)
{
    struct op *op = core_check_op(L, 1);

    luaL_argcheck(L, op->kind == &change_kind && op->done, 1, "not a change that has ended");
    return push_end(L, &((struct change_op *)(void *)op)->end);
}

/* --- in a program --- */

struct change_wait {
    struct gate gate;
    struct end *end;
};

static void wait_ends(void *ctx, const struct change_result *r)
{
    struct change_wait *w = ctx;

    keep_end(w->end, r);
    gate_open(&w->gate);
}

/* The wait is bounded: a change ends at the group's timeout or when its node is closed. */
static void change_and_wait(struct changes *changes, const struct change_opts *what,
                            struct end *end)
{
    struct change_wait w = {.end = end};
    struct change_opts o = *what;

    gate_init(&w.gate);
    o.done = wait_ends;
    o.ctx = &w;
    change_start(changes, &o);
    gate_wait(&w.gate, GATE_FOR_EVER);
    gate_deinit(&w.gate);
}

static void change_alone(const struct change_opts *o, struct error *e)
{
    size_t i;

    if (o->op == BATCH_FLUSH)
        group_flush(o->group);
    for (i = 0; i < o->n_keys; i++) {
        const struct key_ref k = group_key(o->keys[i].bytes, o->keys[i].n);
        const struct given v = {.bytes = o->value,
                                .n = o->value_len,
                                .ttl_ms = o->ttl_ms,
                                .extra = o->extra,
                                .extra_len = o->extra_len};

        if (o->op == BATCH_SET && !(o->ttl_ms && !(*o->ttl_ms > 0)))
            group_change_given(o->group, &k, &v, e);
        else
            group_remove(o->group, &k);
    }
    group_tick(o->group, clock_ms()); /* frees the rest of a flush; no other code does */
}

static void release_end(void *p)
{
    struct end *end = p;

    buf_deinit(&end->unconfirmed);
    mem_free(end);
}

/* core.wait_change(handle, what it is, list of keys, value, ttl_ms) -> as core.change_result(op):
 * blocks the thread */
static int l_wait_change(lua_State *L)
{
    struct change_opts o = {.n_keys = 0};
    struct changes *changes;
    struct end *end;
    void **slot;
    double ttl_ms;

    lua_settop(L, 5);
    check_change(L, &o, &ttl_ms);
    slot = core_owner(L, release_end);
    o.group = which_group(L, "group:set", &changes);
    *slot = end = mem_zalloc(sizeof(*end));
    buf_init(&end->unconfirmed, 0);
    if (changes)
        change_and_wait(changes, &o, end);
    else
        change_alone(&o, &end->err);
    group_unref(o.group);
    return push_end(L, end);
}

/* core.check_given(table) -> true | nil, message, code */
static int l_check_given(lua_State *L)
{
    struct given_table t;
    struct error e;

    luaL_checktype(L, 1, LUA_TTABLE);
    if (given_read(L, 1, &t, &e))
        return core_error(L, &e);
    lua_pushboolean(L, 1);
    return 1;
}

const luaL_Reg bind_change[] = {
    {"change", l_change},
    {"change_result", l_change_result},
    {"check_given", l_check_given},
    {"wait_change", l_wait_change},
    {NULL, NULL},
};
