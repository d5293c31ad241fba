/* SPDX-License-Identifier: MIT */
#include "bind/core.h"

#include <lauxlib.h>
#include <lua.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/key.h"
#include "base/timers.h"
#include "bind/bind.h"
#include "cache/group.h"
#include "script/check.h"
#include "script/op.h"
#include "script/task.h"
#include "script/vm.h"

int core_error(lua_State *L, const struct error *e)
{
    lua_pushnil(L);
    lua_pushstring(L, e->msg);
    lua_pushstring(L, err_name(e->code));
    return 3;
}

static void release_item(void *item)
{
    item_unref(item);
}

void **core_item_owner(lua_State *L)
{
    return core_owner(L, release_item);
}

const struct key *core_check_keys(lua_State *L, int index, size_t *n)
{
    struct key *keys;
    size_t i;

    luaL_checktype(L, index, LUA_TTABLE);
    *n = lua_objlen(L, index);
    keys = lua_newuserdata(L, (*n + 1) * sizeof(*keys));
    for (i = 0; i < *n; i++) {
        lua_rawgeti(L, index, (int)i + 1);
        keys[i].bytes = luaL_checklstring(L, -1, &keys[i].n);
        lua_pop(L, 1);
    }
    return keys;
}

void core_check_numbers(lua_State *L, int index, struct group_opts *out)
{
    luaL_checktype(L, index, LUA_TTABLE);
    group_opts_init(out);
#define X(type, field, initial)                                                                    \
    lua_getfield(L, index, #field);                                                                \
    if (!lua_isnil(L, -1))                                                                         \
        out->field = (type)luaL_checknumber(L, -1);                                                \
    lua_pop(L, 1);
    GROUP_NUMBERS(X)
#undef X
}

/* --- ops --- */

#define BIND_OP "groupcache.op"

struct op **core_new_op(lua_State *L)
{
    struct op **slot = lua_newuserdata(L, sizeof(struct op *));

    *slot = NULL;
    luaL_getmetatable(L, BIND_OP);
    lua_setmetatable(L, -2);
    return slot;
}

struct op *core_check_op(lua_State *L, int index)
{
    struct op **slot = luaL_checkudata(L, index, BIND_OP);

    if (!*slot)
        luaL_argerror(L, index, "this op was never begun");
    return *slot;
}

static int l_op_gc(lua_State *L)
{
    struct op **slot = luaL_checkudata(L, 1, BIND_OP), *op = *slot;

    *slot = NULL;
    if (op) {
        op_cancel(op);
        op_unref(op);
    }
    return 0;
}

static void patience_over(struct timer *t)
{
    struct patience *p = list_entry(t, struct patience, timer);
    struct op *op = p->op;

    p->over(op);
    op_unref(op);
}

void core_patience_begin(struct patience *p, struct op *op, uint64_t ms,
                         void (*over)(struct op *op))
{
    p->timer.run = patience_over;
    p->op = op;
    p->ms = ms;
    p->over = over;
    if (timers_set(vm_timers(op->vm), &p->timer, clock_ms() + ms) == ERR_OK)
        op_ref(op); /* without memory for a timer, the work's own deadline is the bound */
}

void core_patience_end(struct patience *p)
{
    if (!p->timer.slot)
        return;
    timers_cancel(vm_timers(p->op->vm), &p->timer);
    op_unref(p->op);
}

/* core.await(op, what): waits until the op has ended; "what" is the caller's name for messages. */
static int l_await(lua_State *L)
{
    struct strand *s = check_to_wait(L, luaL_checkstring(L, 2));
    struct op *op = core_check_op(L, 1);

    if (op->done)
        return 0;
    task_wait_for(s, op);
    lua_settop(L, 1);
    return lua_yield(L, 1); /* the op's Lua value, which otherwise may be collected */
}

/* core.check_can_await(what): raises where core.await() would */
static int l_check_can_await(lua_State *L)
{
    check_to_wait(L, luaL_checkstring(L, 1));
    return 0;
}

/* core.critical(fn, ...) -> the results of fn(...). No strand is set aside under a C function, and
 * none can wait there. */
static int l_critical(lua_State *L)
{
    lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
    return lua_gettop(L);
}

/* core.check_can_wait(what): raises unless a getter runs */
static int l_check_can_wait(lua_State *L)
{
    check_can_wait(L, luaL_checkstring(L, 1));
    return 0;
}

/* --- userdata that own for us --- */

#define BIND_OWNER "groupcache.owner"

struct owner {
    void *held;
    void (*release)(void *p);
};

void **core_owner(lua_State *L, void (*release)(void *p))
{
    struct owner *o = lua_newuserdata(L, sizeof(*o));

    *o = (struct owner){NULL, release};
    luaL_getmetatable(L, BIND_OWNER);
    lua_setmetatable(L, -2);
    return &o->held;
}

static int l_owner_gc(lua_State *L)
{
    struct owner *o = luaL_checkudata(L, 1, BIND_OWNER);
    void *held = o->held;

    o->held = NULL;
    if (held)
        o->release(held);
    return 0;
}

#define BIND_BUF "groupcache.buf"

struct buf *core_new_buf(lua_State *L)
{
    struct buf *b = lua_newuserdata(L, sizeof(*b));

    buf_init(b, 0);
    luaL_getmetatable(L, BIND_BUF);
    lua_setmetatable(L, -2);
    return b;
}

static int l_buf_gc(lua_State *L)
{
    buf_deinit(luaL_checkudata(L, 1, BIND_BUF));
    return 0;
}

void core_make_room(lua_State *L, size_t bytes)
{
    struct vm *vm = vm_of(L);

    if (vm)
        vm_make_room(vm, bytes);
}

/* --- classes --- */

void core_new_class(lua_State *L, const char *name, const luaL_Reg *methods)
{
    if (luaL_newmetatable(L, name)) {
        luaL_setfuncs(L, methods, 0);
        lua_pushvalue(L, -1);
        lua_setfield(L, -2, "__index");
        lua_pushstring(L, name);
        lua_setfield(L, -2, "__name");
    }
    lua_pop(L, 1);
}

static const luaL_Reg op_methods[] = {
    {"__gc", l_op_gc},
    {NULL, NULL},
};

static const luaL_Reg owner_methods[] = {
    {"__gc", l_owner_gc},
    {NULL, NULL},
};

static const luaL_Reg buf_methods[] = {
    {"__gc", l_buf_gc},
    {NULL, NULL},
};

#define BIND_OPENER "groupcache.open"

void core_set_opener(lua_State *L, lua_CFunction open)
{
    lua_pushcfunction(L, open);
    lua_setfield(L, LUA_REGISTRYINDEX, BIND_OPENER);
}

lua_CFunction core_opener(lua_State *L)
{
    lua_CFunction open;

    lua_getfield(L, LUA_REGISTRYINDEX, BIND_OPENER);
    open = lua_tocfunction(L, -1);
    lua_pop(L, 1);
    return open;
}

void bind_core_open(lua_State *L)
{
    core_new_class(L, BIND_OP, op_methods);
    core_new_class(L, BIND_OWNER, owner_methods);
    core_new_class(L, BIND_BUF, buf_methods);
}

const luaL_Reg bind_core[] = {
    {"await", l_await},
    {"check_can_await", l_check_can_await},
    {"check_can_wait", l_check_can_wait},
    {"critical", l_critical},
    {NULL, NULL},
};
