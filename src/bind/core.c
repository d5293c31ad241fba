/* SPDX-License-Identifier: MIT */
#include "bind/bind.h"

#include <lauxlib.h>
#include <lua.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/key.h"
#include "base/log.h"
#include "base/thread.h"
#include "base/timers.h"
#include "cache/flight.h"
#include "script/op.h"
#include "script/task.h"
#include "script/vm.h"

#ifndef GROUPCACHE_VERSION
#define GROUPCACHE_VERSION "unknown"
#endif

int l_error(lua_State *L, const struct error *e)
{
    lua_pushnil(L);
    lua_pushstring(L, e->msg);
    lua_pushstring(L, err_name(e->code));
    return 3;
}

const struct key *l_check_keys(lua_State *L, int index, size_t *n)
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

/* --- ops --- */

struct op **l_new_op(lua_State *L)
{
    struct op **slot = lua_newuserdata(L, sizeof(struct op *));

    *slot = NULL;
    luaL_getmetatable(L, BIND_OP);
    lua_setmetatable(L, -2);
    return slot;
}

struct op *l_check_op(lua_State *L, int index)
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

void patience_begin(struct patience *p, struct op *op, uint64_t ms, void (*over)(struct op *op))
{
    p->timer.run = patience_over;
    p->op = op;
    p->ms = ms;
    p->over = over;
    if (timers_set(vm_timers(op->vm), &p->timer, clock_ms() + ms) == ERR_OK)
        op_ref(op); /* without memory for a timer the work's own deadline holds */
}

void patience_end(struct patience *p)
{
    if (!p->timer.slot)
        return;
    timers_cancel(vm_timers(p->op->vm), &p->timer);
    op_unref(p->op);
}

/* Calls fn for the op at index 1, or for each op of the list there, until it returns not 0. */
static int each_op(lua_State *L, int (*fn)(void *arg, struct op *op), void *arg)
{
    int i, n, found = 0;

    if (!lua_istable(L, 1))
        return fn(arg, l_check_op(L, 1));
    n = (int)lua_objlen(L, 1);
    for (i = 1; i <= n && !found; i++) {
        lua_rawgeti(L, 1, i);
        found = fn(arg, l_check_op(L, lua_gettop(L)));
        lua_pop(L, 1);
    }
    return found;
}

static int is_done(void *arg, struct op *op)
{
    (void)arg;
    return op->done;
}

static int wait_for(void *arg, struct op *op)
{
    task_wait_for(arg, op);
    return 0;
}

/* core.any_done(op or list of ops) -> whether one has ended */
static int l_any_done(lua_State *L)
{
    lua_pushboolean(L, each_op(L, is_done, NULL));
    return 1;
}

/* core.await(op or list of ops, what): waits until one has ended; "what" is the caller's name for
 * messages. */
static int l_await(lua_State *L)
{
    struct strand *s = task_to_wait(L, luaL_checkstring(L, 2));

    if (each_op(L, is_done, NULL))
        return 0;
    each_op(L, wait_for, s);
    lua_settop(L, 1);
    return lua_yield(L, 1); /* the ops' Lua values: what is not yielded may be collected */
}

/* core.check_can_await(what, child): raises where core.await() would; or, in the coroutine of a
 * child (wait.lua), where it cannot yield to its parent */
static int l_check_can_await(lua_State *L)
{
    const char *what = luaL_checkstring(L, 1);

    if (lua_toboolean(L, 2))
        task_check_can_yield(L, what);
    else
        task_to_wait(L, what);
    return 0;
}

/* core.check_can_wait(what): raises unless a getter runs */
static int l_check_can_wait(lua_State *L)
{
    task_check_can_wait(L, luaL_checkstring(L, 1));
    return 0;
}

/* core.now() -> seconds on the clock of deadlines */
static int l_now(lua_State *L)
{
    lua_pushnumber(L, (double)clock_ns() / 1e9);
    return 1;
}

/* --- what Lua owns for us --- */

#define BIND_OWNER "groupcache.owner"

struct owner {
    void *held;
    void (*release)(void *p);
};

void **l_owner(lua_State *L, void (*release)(void *p))
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

void l_make_room(lua_State *L, size_t bytes)
{
    struct vm *vm = vm_of(L);

    if (vm)
        vm_make_room(vm, bytes);
}

/* --- log --- */

/* core.log(level, message, fields, mod): fields is a text of key=value pairs, already quoted; mod
 * is who speaks, "script" when it is nil. */
static int l_log(lua_State *L)
{
    int level = log_level_from_name(luaL_checkstring(L, 1));
    size_t n;
    const char *message = luaL_checklstring(L, 2, &n), *fields = luaL_optstring(L, 3, "");
    const char *mod = luaL_optstring(L, 4, "script");
    char quoted[2048];

    luaL_argcheck(L, level >= 0 && level < LOG_OFF, 1, "level is debug, info, warn or error");
    log_quote(quoted, sizeof(quoted), message, n);
    quoted[strlen(quoted) - 1] = '\0'; /* log_write() has quotes of its own */
    log_write((enum log_level)level, mod, quoted + 1, "%s", fields);
    return 0;
}

/* core.quote(bytes) -> the bytes as a quoted value of a log line */
static int l_quote(lua_State *L)
{
    size_t n;
    const char *bytes = luaL_checklstring(L, 1, &n);
    char quoted[1024];

    lua_pushstring(L, log_quote(quoted, sizeof(quoted), bytes, n));
    return 1;
}

/* core.set_log_level(name) */
static int l_set_log_level(lua_State *L)
{
    int level = log_level_from_name(luaL_checkstring(L, 1));

    luaL_argcheck(L, level >= 0, 1, "level is debug, info, warn, error or off");
    log_set_level((enum log_level)level);
    return 0;
}

/* core.is_code(any) -> whether it names an error that a getter may fail with */
static int l_is_code(lua_State *L)
{
    enum err code = lua_type(L, 1) == LUA_TSTRING ? err_from_name(lua_tostring(L, 1)) : ERR_COUNT;

    lua_pushboolean(L, err_is_final(code));
    return 1;
}

/* core.is_source(any) -> whether it is the word for a source */
static int l_is_source(lua_State *L)
{
    lua_pushboolean(L, lua_type(L, 1) == LUA_TSTRING && source_is_name(lua_tostring(L, 1)));
    return 1;
}

/* core.in_node() -> whether this state is a VM of a node, where a script defines groups */
static int l_in_node(lua_State *L)
{
    lua_pushboolean(L, vm_of(L) != NULL);
    return 1;
}

/* core.stack_used() -> how much of the thread's C stack is in use, 0 to 1 */
static int l_stack_used(lua_State *L)
{
    lua_pushnumber(L, thread_stack_used());
    return 1;
}

/* core.limits() -> cores, open files allowed */
static int l_limits(lua_State *L)
{
    struct rlimit r = {.rlim_cur = 1024};
    long cores = sysconf(_SC_NPROCESSORS_ONLN);

    getrlimit(RLIMIT_NOFILE, &r);
    lua_pushinteger(L, cores > 0 ? cores : 1);
    lua_pushnumber(L, (double)r.rlim_cur);
    return 2;
}

/* --- the module --- */

void l_new_class(lua_State *L, const char *name, const luaL_Reg *methods)
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

static const luaL_Reg functions[] = {
    {"any_done", l_any_done},
    {"await", l_await},
    {"check_can_await", l_check_can_await},
    {"check_can_wait", l_check_can_wait},
    {"in_node", l_in_node},
    {"is_code", l_is_code},
    {"is_source", l_is_source},
    {"limits", l_limits},
    {"log", l_log},
    {"now", l_now},
    {"quote", l_quote},
    {"set_log_level", l_set_log_level},
    {"stack_used", l_stack_used},
    {NULL, NULL},
};

__attribute__((visibility("default"))) int luaopen_groupcache_core(lua_State *L)
{
    l_new_class(L, BIND_OP, op_methods);
    l_new_class(L, BIND_OWNER, owner_methods);
    luaL_newmetatable(L, BIND_LIST);
    lua_pushliteral(L, "array");
    lua_setfield(L, -2, "__jsontype");
    lua_pop(L, 1);
    bind_library_open(L);
    bind_hits_open(L);
    bind_loop_open(L);
    bind_node_open(L);
    lua_newtable(L);
    luaL_setfuncs(L, functions, 0);
    luaL_setfuncs(L, bind_group, 0);
    luaL_setfuncs(L, bind_io, 0);
    luaL_setfuncs(L, bind_library, 0);
    luaL_setfuncs(L, bind_loop, 0);
    luaL_setfuncs(L, bind_node, 0);
    luaL_setfuncs(L, bind_many, 0);
    luaL_setfuncs(L, bind_change, 0);
    luaL_setfuncs(L, bind_peek, 0);
    luaL_setfuncs(L, bind_hits, 0);
    luaL_setfuncs(L, bind_encode, 0);
    luaL_setfuncs(L, bind_decode, 0);
    lua_pushlightuserdata(L, NULL);
    lua_setfield(L, -2, "null");
    luaL_getmetatable(L, BIND_LIST);
    lua_setfield(L, -2, "list");
    lua_pushliteral(L, GROUPCACHE_VERSION);
    lua_setfield(L, -2, "version");
    return 1;
}
