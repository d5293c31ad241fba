/* SPDX-License-Identifier: MIT */
/* node_script.c - a node script in the VM of a control worker: its groups, its settings.
 *
 * core.script(path, ...) runs the script in a VM of its own. So the caller's state stays clean, and
 * flags can be merged with the settings before the start. */
#include "bind/node_script.h"

#include <lauxlib.h>
#include <limits.h>
#include <lua.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "bind/bind.h"
#include "bind/core.h"
#include "script/defs.h"
#include "script/script.h"
#include "script/vm.h"
#include "script/worker.h"

#define BIND_SCRIPT "groupcache.script"

enum { MAX_DEPTH = 8 };

struct bind_node_script *bind_node_script_check(lua_State *L, int index)
{
    struct bind_node_script *s = luaL_checkudata(L, index, BIND_SCRIPT);

    luaL_argcheck(L, s->vm, index, "this script is closed");
    return s;
}

/* Frees the VM early: to the collector it is a few bytes. */
static void drop(struct bind_node_script *s)
{
    worker_free(s->worker);
    script_free(s->script);
    memset(s, 0, sizeof(*s));
}

static int l_script_gc(lua_State *L)
{
    drop(luaL_checkudata(L, 1, BIND_SCRIPT));
    return 0;
}

int bind_node_script_error(lua_State *L, const struct bind_node_script *s, const struct error *e)
{
    lua_pushnil(L);
    lua_pushstring(L, s->script ? script_message(s->script, e) : e->msg);
    lua_pushstring(L, err_name(e->code));
    return 3;
}

/* core.script(path, package_path, package_cpath, vm_bytes) -> script | nil, message, code */
static int l_script(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    struct worker_opts o = {.vm = {.name = "control",
                                   .control = 1,
                                   .open = core_opener(L),
                                   .prelude = BIND_PRELUDE,
                                   .path = luaL_checkstring(L, 2),
                                   .cpath = luaL_checkstring(L, 3),
                                   .vm_bytes = (uint64_t)luaL_checknumber(L, 4)}};
    struct bind_node_script *s;
    struct error e;

    s = lua_newuserdata(L, sizeof(*s));
    memset(s, 0, sizeof(*s));
    luaL_getmetatable(L, BIND_SCRIPT);
    lua_setmetatable(L, -2);
    s->script = script_read(path, &e);
    s->worker = s->script ? worker_new(&o, &e) : NULL;
    s->vm = s->worker ? worker_vm(s->worker) : NULL;
    if (s->vm && !vm_run_script(s->vm, path, s->script->text, s->script->len, &e))
        return 1;
    if (s->vm)
        script_failed(s->script, vm_script_error(s->vm));
    bind_node_script_error(L, s, &e);
    drop(s);
    return 3;
}

struct worker *bind_node_script_give_worker(struct bind_node_script *s)
{
    struct worker *w = s->worker;

    s->worker = NULL;
    s->vm = NULL;
    return w;
}

/* Raises without a line: the script's line is not known any more, and ours would not help. */
static void refuse_setting(lua_State *L, const char *name, const char *why)
{
    lua_pushfstring(L, "setting \"%s\" is %s", name, why);
    lua_error(L);
}

/* Copies the value at `index` of another state, which does not run, to the top of L. Raises in L
 * only: no call on `from` allocates. `name` is the setting's, for messages. */
static void copy_value(lua_State *from, int index, lua_State *L, int depth, const char *name)
{
    size_t n;
    const char *s;

    luaL_checkstack(L, 4, "settings are nested too deeply");
    if (depth > MAX_DEPTH || !lua_checkstack(from, 4))
        refuse_setting(L, name, "nested too deeply");
    switch (lua_type(from, index)) {
    case LUA_TNIL:
        lua_pushnil(L);
        break;
    case LUA_TBOOLEAN:
        lua_pushboolean(L, lua_toboolean(from, index));
        break;
    case LUA_TNUMBER:
        lua_pushnumber(L, lua_tonumber(from, index));
        break;
    case LUA_TSTRING:
        s = lua_tolstring(from, index, &n);
        lua_pushlstring(L, s, n);
        break;
    case LUA_TTABLE:
        lua_newtable(L);
        lua_pushnil(from);
        while (lua_next(from, index)) {
            int top = lua_gettop(from);
            int named = depth == 0 && lua_type(from, top - 1) == LUA_TSTRING;

            copy_value(from, top - 1, L, depth + 1, name);
            copy_value(from, top, L, depth + 1, named ? lua_tostring(from, top - 1) : name);
            lua_rawset(L, -3);
            lua_settop(from, top - 1);
        }
        break;
    default:
        lua_pushfstring(L, "a %s: only strings, numbers, booleans and tables can be",
                        luaL_typename(from, index));
        refuse_setting(L, name, lua_tostring(L, -1));
    }
}

/* Protected. */
static int settings_body(lua_State *L)
{
    copy_value(lua_touserdata(L, 1), 1, L, 0, "?");
    return 1;
}

/* --- ask --- */

struct ask {
    const char *module;
    lua_State *from; /* the argument is at index 3 there */
    struct vm *vm;
    int answer; /* in the registry of the VM */
};

/* Protected, in the script's VM. */
static int ask_body(lua_State *L)
{
    struct ask *a = lua_touserdata(L, 1);

    lua_getglobal(L, "require");
    lua_pushstring(L, a->module);
    lua_call(L, 1, 1);
    copy_value(a->from, 3, L, 0, "?");
    vm_push_settings(a->vm);
    lua_call(L, 2, 1);
    a->answer = luaL_ref(L, LUA_REGISTRYINDEX);
    return 0;
}

/* script:ask(module, value) -> what the function that this module is returns for a copy of the
 * value and the table that the script returned, copied | nil, message, code. It may define
 * background functions. */
static int l_script_ask(lua_State *L)
{
    struct bind_node_script *s = bind_node_script_check(L, 1);
    struct ask a = {luaL_checkstring(L, 2), L, s->vm, LUA_NOREF};
    lua_State *from = vm_state(s->vm);
    struct error e = {.code = ERR_OK};

    lua_settop(L, 3);
    lua_settop(from, 0);
    if (vm_run_more(s->vm, s->script->path, ask_body, &a, &e)) {
        script_failed(s->script, vm_script_error(s->vm));
        return bind_node_script_error(L, s, &e);
    }
    lua_rawgeti(from, LUA_REGISTRYINDEX, a.answer);
    lua_pushcfunction(L, settings_body);
    lua_pushlightuserdata(L, from);
    if (lua_pcall(L, 1, 1, 0))
        error_set(&e, ERR_INVAL, "%s: %s", s->script->path, lua_tostring(L, -1));
    lua_settop(from, 0);
    return e.code ? core_error(L, &e) : 1;
}

/* script:settings() -> a copy of the table that the script returned, an empty one if it returned
 * nothing | nil, message, code */
static int l_script_settings(lua_State *L)
{
    struct bind_node_script *s = bind_node_script_check(L, 1);
    lua_State *from = vm_state(s->vm);
    struct error e = {.code = ERR_OK};

    lua_settop(from, 0);
    vm_push_settings(s->vm);
    lua_pushcfunction(L, settings_body);
    lua_pushlightuserdata(L, from);
    if (lua_pcall(L, 1, 1, 0))
        error_set(&e, ERR_INVAL, "%s: %s", s->script->path, lua_tostring(L, -1));
    lua_settop(from, 0);
    if (e.code)
        return core_error(L, &e);
    if (lua_isnil(L, -1))
        lua_newtable(L);
    return 1;
}

/* core.wants_jit(refusal) -> whether the script may ask for the JIT, as vm_wants_jit() */
static int l_wants_jit(lua_State *L)
{
    const char *refusal = luaL_checkstring(L, 1);
    struct vm *vm = vm_of(L);

    lua_pushboolean(L, vm && vm_wants_jit(vm, refusal));
    return 1;
}

/* script:jit_refusal() -> the script's error unless jit is set, or nil */
static int l_script_jit_refusal(lua_State *L)
{
    lua_pushstring(L, vm_jit_refusal(bind_node_script_check(L, 1)->vm)); /* NULL is nil */
    return 1;
}

/* script:groups() -> list of { name =, where =, cache_bytes =, http =, makes_keys = }: whether it
 * is an HTTP cache, whether it has a key function */
static int l_script_groups(lua_State *L)
{
    struct bind_node_script *s = bind_node_script_check(L, 1);
    const struct defs *ds = vm_defs(s->vm);
    size_t i;

    lua_newtable(L);
    for (i = 0; i < defs_count(ds); i++) {
        lua_createtable(L, 0, 5);
        lua_pushstring(L, defs_at(ds, i)->name);
        lua_setfield(L, -2, "name");
        lua_pushstring(L, defs_at(ds, i)->where);
        lua_setfield(L, -2, "where");
        lua_pushnumber(L, (double)defs_at(ds, i)->opts.cache_bytes);
        lua_setfield(L, -2, "cache_bytes");
        lua_pushboolean(L, defs_at(ds, i)->opts.http != 0);
        lua_setfield(L, -2, "http");
        lua_pushboolean(L, defs_at(ds, i)->key_args != 0);
        lua_setfield(L, -2, "makes_keys");
        lua_rawseti(L, -2, (int)i + 1);
    }
    return 1;
}

/* script:open_loop(name) -> true | nil, message, code: opens that event loop in its VM, as in the
 * workers'. Once. */
static int l_script_open_loop(lua_State *L)
{
    struct bind_node_script *s = bind_node_script_check(L, 1);
    const char *name = luaL_checkstring(L, 2);
    struct error e;

    luaL_argcheck(L, !vm_loop(s->vm), 1, "it has a loop");
    if (worker_open_loop(s->worker, name, &e))
        return core_error(L, &e);
    lua_pushboolean(L, 1);
    return 1;
}

/* core.folder_of(path) -> the whole path of the folder that a file is in, or nil */
static int l_folder_of(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1), *slash = strrchr(path, '/');
    char whole[PATH_MAX];

    lua_pushlstring(L, slash ? path : ".", slash ? (size_t)(slash - path) + 1 : 1);
    lua_pushstring(L, realpath(lua_tostring(L, -1), whole)); /* NULL is nil */
    return 1;
}

/* core.variables(prefix) -> names of the variables of the environment that begin so */
static int l_variables(lua_State *L)
{
    size_t n;
    const char *prefix = luaL_checklstring(L, 1, &n);
    int i, found = 0;

    lua_newtable(L);
    for (i = 0; environ && environ[i]; i++) {
        const char *end = strchr(environ[i], '=');

        if (!end || strncmp(environ[i], prefix, n) != 0)
            continue;
        lua_pushlstring(L, environ[i], (size_t)(end - environ[i]));
        lua_rawseti(L, -2, ++found);
    }
    return 1;
}

/* --- open --- */

static const luaL_Reg script_methods[] = {
    {"ask", l_script_ask},
    {"settings", l_script_settings},
    {"groups", l_script_groups},
    {"open_loop", l_script_open_loop},
    {"jit_refusal", l_script_jit_refusal},
    {"close", l_script_gc},
    {"__gc", l_script_gc},
    {NULL, NULL},
};

void bind_node_script_open(lua_State *L)
{
    core_new_class(L, BIND_SCRIPT, script_methods);
}

const luaL_Reg bind_node_script[] = {
    {"folder_of", l_folder_of}, {"script", l_script}, {"variables", l_variables},
    {"wants_jit", l_wants_jit}, {NULL, NULL},
};
