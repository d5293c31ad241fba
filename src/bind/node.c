/* SPDX-License-Identifier: MIT */
/* node.c - what starts, reloads and stops nodes: the script in its control VM, the node, signals.
 *
 * core.script(path) runs the script in a VM of its own, so that the caller's state stays clean and
 * the settings can be merged with flags before anything starts. core.node(script, settings) starts
 * the node with settings that groupcache/config.lua has completed and checked. */
#include "bind/bind.h"

#include <errno.h>
#include <lauxlib.h>
#include <limits.h>
#include <lua.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/signals.h"
#include "base/spool.h"
#include "bind/core.h"
#include "node/node.h"
#include "script/defs.h"
#include "script/interrupt.h"
#include "script/script.h"
#include "script/vm.h"
#include "script/worker.h"

#define BIND_SCRIPT "groupcache.script"
#define BIND_BUF "groupcache.buf"
#define PRELUDE "groupcache.guard" /* what getters may not do */

enum { MAX_DEPTH = 8, MAX_PEERS = 10000 };

/* --- script --- */

/* A script and the VM it has run in: that of a worker which takes no loads, and has no thread. */
struct ran {
    struct worker *worker;
    struct vm *vm; /* the worker's; NULL once closed */
    struct script *script;
};

static struct ran *check_ran(lua_State *L, int index)
{
    struct ran *s = luaL_checkudata(L, index, BIND_SCRIPT);

    luaL_argcheck(L, s->vm, index, "this script is closed");
    return s;
}

/* As soon as it can be: to the collector a VM is a few bytes. */
static void drop_ran(struct ran *s)
{
    worker_free(s->worker);
    script_free(s->script);
    memset(s, 0, sizeof(*s));
}

static int l_script_gc(lua_State *L)
{
    drop_ran(luaL_checkudata(L, 1, BIND_SCRIPT));
    return 0;
}

/* The whole message, which a struct error may have had no room for. */
static int push_script_error(lua_State *L, struct ran *s, const struct error *e)
{
    const char *whole = s->vm ? vm_script_error(s->vm) : NULL;

    lua_pushnil(L);
    lua_pushstring(L, whole ? whole : e->msg);
    lua_pushstring(L, err_name(e->code));
    drop_ran(s);
    return 3;
}

/* core.script(path, package_path, package_cpath, vm_bytes) -> script | nil, message, code */
static int l_script(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    struct worker_opts o = {.vm = {.name = "control",
                                   .control = 1,
                                   .open = core_opener(L),
                                   .prelude = PRELUDE,
                                   .path = luaL_checkstring(L, 2),
                                   .cpath = luaL_checkstring(L, 3),
                                   .max_bytes = (size_t)luaL_checknumber(L, 4)}};
    struct ran *s;
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
    return push_script_error(L, s, &e);
}

/* Raises without a line: the script's is not known any more, and ours says nothing to its author.
 */
static void refuse_setting(lua_State *L, const char *name, const char *why)
{
    lua_pushfstring(L, "setting \"%s\" is %s", name, why);
    lua_error(L);
}

/* Copies the value at `index` of another state, which does not run, to the top of L. Raises in L
 * only: nothing that is called on `from` allocates. `name` is the setting's, for messages. */
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

/* script:settings() -> a copy of the table that the script returned, an empty one if it returned
 * nothing | nil, message, code */
static int l_script_settings(lua_State *L)
{
    struct ran *s = check_ran(L, 1);
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

/* core.wants_jit(refusal) -> whether what it asks for is decided later, by the settings */
static int l_wants_jit(lua_State *L)
{
    const char *refusal = luaL_checkstring(L, 1);
    struct vm *vm = vm_of(L);

    lua_pushboolean(L, vm && vm_wants_jit(vm, refusal));
    return 1;
}

/* script:jit_refusal() -> what is wrong with it unless jit is set, or nil */
static int l_script_jit_refusal(lua_State *L)
{
    lua_pushstring(L, vm_jit_refusal(check_ran(L, 1)->vm)); /* NULL is nil */
    return 1;
}

/* script:groups() -> list of { name =, where = } */
static int l_script_groups(lua_State *L)
{
    struct ran *s = check_ran(L, 1);
    const struct defs *ds = vm_defs(s->vm);
    size_t i;

    lua_newtable(L);
    for (i = 0; i < defs_count(ds); i++) {
        lua_createtable(L, 0, 2);
        lua_pushstring(L, defs_at(ds, i)->name);
        lua_setfield(L, -2, "name");
        lua_pushstring(L, defs_at(ds, i)->where);
        lua_setfield(L, -2, "where");
        lua_rawseti(L, -2, (int)i + 1);
    }
    return 1;
}

/* script:open_loop(name) -> true | nil, message, code: whether its VMs could have that event loop.
 * Once. */
static int l_script_open_loop(lua_State *L)
{
    struct ran *s = check_ran(L, 1);
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

/* --- node --- */

struct node *bind_node_check(lua_State *L, int index)
{
    struct node **n = luaL_checkudata(L, index, BIND_NODE);

    luaL_argcheck(L, *n, index, "this node is closed");
    return *n;
}

static int l_node_gc(lua_State *L)
{
    struct node **slot = luaL_checkudata(L, 1, BIND_NODE), *n = *slot;

    *slot = NULL;
    if (n)
        node_stop(n, NULL, NULL);
    return 0;
}

static const char *string_field(lua_State *L, const char *name)
{
    const char *s;

    lua_getfield(L, 2, name);
    s = luaL_optstring(L, -1, NULL); /* the table holds it */
    lua_pop(L, 1);
    return s;
}

static uint64_t number_field(lua_State *L, const char *name)
{
    double n;

    lua_getfield(L, 2, name);
    n = luaL_checknumber(L, -1);
    lua_pop(L, 1);
    return (uint64_t)n;
}

/* The list of URLs at `index`, as an array that a userdata on the stack owns. */
static const char **check_list(lua_State *L, int index, size_t *count)
{
    const char **urls;
    size_t i, n;

    luaL_checktype(L, index, LUA_TTABLE);
    n = lua_objlen(L, index);
    if (n > MAX_PEERS)
        luaL_error(L, "a node has at most %d peers, not %d", MAX_PEERS, (int)n);
    urls = lua_newuserdata(L, (n + 1) * sizeof(*urls));
    for (i = 0; i < n; i++) {
        lua_rawgeti(L, index, (int)i + 1);
        urls[i] = luaL_checkstring(L, -1); /* the list holds it */
        lua_pop(L, 1);
    }
    *count = n;
    return urls;
}

/* The peers of the settings at `index`. */
static const char **check_peers(lua_State *L, int index, size_t *count)
{
    lua_getfield(L, index, "peers");
    return check_list(L, lua_gettop(L), count);
}

static enum dialect check_dialect(lua_State *L, int index)
{
    int dialect = dialect_from_name(luaL_checkstring(L, index));

    luaL_argcheck(L, dialect >= 0, index, "unknown dialect");
    return (enum dialect)dialect;
}

/* core.ring_hashes(dialect) -> names of the hashes its ring may be made with, the usual one first
 */
static int l_ring_hashes(lua_State *L)
{
    const struct dialect_facts *facts = dialect_facts(check_dialect(L, 1));
    int kind, n = 1;

    lua_newtable(L);
    lua_pushstring(L, hash_kind_name(facts->hash));
    lua_rawseti(L, -2, n++);
    for (kind = 0; kind < HASH_KINDS; kind++) {
        if (kind != (int)facts->hash && facts->hashes & 1u << kind) {
            lua_pushstring(L, hash_kind_name((enum hash_kind)kind));
            lua_rawseti(L, -2, n++);
        }
    }
    return 1;
}

static void check_settings(lua_State *L, struct node_opts *o)
{
    int hash;

    luaL_checktype(L, 2, LUA_TTABLE);
    o->listen = string_field(L, "listen");
    o->admin_listen = string_field(L, "admin_listen");
    o->access_log = string_field(L, "access_log");
    o->self = string_field(L, "self");
    o->base_path = string_field(L, "base_path");
    o->replicas = number_field(L, "replicas");
    o->max_key_bytes = number_field(L, "max_key_bytes");
    o->max_connections = number_field(L, "max_connections");
    o->workers = number_field(L, "workers");
    o->http_threads = number_field(L, "http_threads");
    o->connect_timeout_ms = number_field(L, "connect_timeout_ms");
    o->drain_delay_ms = number_field(L, "drain_delay_ms");
    o->drain_timeout_ms = number_field(L, "drain_timeout_ms");
    o->vm_bytes = number_field(L, "vm_bytes");
    o->loop = string_field(L, "loop");
    if (o->loop && strcmp(o->loop, "plain") == 0)
        o->loop = NULL;
    lua_getfield(L, 2, "admin_moves");
    o->admin_moves = lua_toboolean(L, -1);
    lua_pop(L, 1);
    lua_getfield(L, 2, "jit");
    o->jit = lua_toboolean(L, -1);
    lua_pop(L, 1);
    lua_getfield(L, 2, "dialect");
    o->dialect = check_dialect(L, -1);
    lua_getfield(L, 2, "hash");
    hash = hash_kind_from_name(luaL_checkstring(L, -1));
    luaL_argcheck(L, hash >= 0, 2, "unknown hash");
    o->hash = (enum hash_kind)hash;
    lua_pop(L, 2);
    o->peers = check_peers(L, 2, &o->n_peers);
}

static struct node_opts check_opts(lua_State *L, const struct ran *s)
{
    struct node_opts o = {.script = s->script, .open = core_opener(L), .prelude = PRELUDE};

    check_settings(L, &o);
    o.path = string_field(L, "package_path");
    o.cpath = string_field(L, "package_cpath");
    return o;
}

/* core.check(script, settings) -> true | nil, message, code: whether core.node() could start it */
static int l_check(lua_State *L)
{
    struct ran *s = check_ran(L, 1);
    struct node_opts o = check_opts(L, s);
    struct error e;

    if (node_check(&o, s->vm, &e))
        return core_error(L, &e);
    lua_pushboolean(L, 1);
    return 1;
}

/* core.node(script, settings) -> node | nil, message, code */
static int l_node(lua_State *L)
{
    struct ran *s = check_ran(L, 1);
    struct node_opts o = check_opts(L, s);
    struct node **slot;
    struct error e;

    slot = lua_newuserdata(L, sizeof(*slot));
    *slot = NULL;
    luaL_getmetatable(L, BIND_NODE);
    lua_setmetatable(L, -2);
    *slot = node_start(&o, s->vm, &e);
    return *slot ? 1 : core_error(L, &e);
}

/* node:address() -> "host:port", "host:port" of the admin listener */
static int l_node_address(lua_State *L)
{
    struct node *n = bind_node_check(L, 1);

    lua_pushstring(L, node_address(n));
    lua_pushstring(L, node_admin_address(n));
    return 2;
}

/* An owner for bytes while they are pushed, which may raise. */
static int l_buf_gc(lua_State *L)
{
    buf_deinit(luaL_checkudata(L, 1, BIND_BUF));
    return 0;
}

/* node:stats() -> JSON text */
static int l_node_stats(lua_State *L)
{
    struct node *n = bind_node_check(L, 1);
    struct buf *out = lua_newuserdata(L, sizeof(*out));

    buf_init(out, 0);
    luaL_getmetatable(L, BIND_BUF);
    lua_setmetatable(L, -2);
    node_stats(n, out);
    if (out->failed)
        return luaL_error(L, "no memory for the statistics");
    lua_pushlstring(L, out->data, out->len);
    return 1;
}

/* --- signals --- */

/* A second signal while draining: the operator will not wait. */
static int hurry(void *arg)
{
    (void)arg;
    return signals_take_stop();
}

/* core.take_signals(reopen): from here on the signals of a node wait for node:wait(), and one is
 * for the threads of workers; reopen: SIGUSR1 opens the access log anew. Of groupcached only,
 * before there is any worker. */
static int l_take_signals(lua_State *L)
{
    if (lua_toboolean(L, 1))
        signals_on_usr1(spool_reopen_all);
    signals_serve();
    interrupt_by_signal(SIGVTALRM);
    return 0;
}

/* node:wait() -> "TERM", "INT" or "HUP": the next signal. */
static int l_node_wait(lua_State *L)
{
    int sig;

    bind_node_check(L, 1);
    sig = signals_wait();
    lua_pushstring(L, sig == SIGHUP ? "HUP" : sig == SIGINT ? "INT" : "TERM");
    return 1;
}

/* node:reload(script, settings) -> true | nil, message, code */
static int l_node_reload(lua_State *L)
{
    struct node *n = bind_node_check(L, 1);
    struct ran *s = check_ran(L, 2);
    struct error e;
    size_t count;
    const char **peers;

    luaL_checktype(L, 3, LUA_TTABLE);
    peers = check_peers(L, 3, &count);
    if (node_reload(n, s->script, s->vm, peers, count, &e))
        return core_error(L, &e);
    lua_pushboolean(L, 1);
    return 1;
}

/* node:set_peers(list) -> true | nil, message, code */
static int l_node_set_peers(lua_State *L)
{
    struct node *n = bind_node_check(L, 1);
    struct error e;
    const char **peers;
    size_t count;

    lua_settop(L, 2);
    peers = check_list(L, 2, &count);
    if (node_set_peers(n, peers, count, &e))
        return core_error(L, &e);
    lua_pushboolean(L, 1);
    return 1;
}

/* node:set_group_peers(group, urls as a text, nil for the node's) -> true | nil, message, code */
static int l_node_set_group_peers(lua_State *L)
{
    struct node *n = bind_node_check(L, 1);
    const char *group = luaL_checkstring(L, 2), *urls = luaL_optstring(L, 3, NULL);
    struct error e;

    if (node_set_group_peers(n, group, urls, &e))
        return core_error(L, &e);
    lua_pushboolean(L, 1);
    return 1;
}

/* node:stop(): ends the node; a second signal while requests are still under way ends it at once */
static int l_node_stop(lua_State *L)
{
    struct node *n = bind_node_check(L, 1);

    *(struct node **)lua_touserdata(L, 1) = NULL;
    node_stop(n, hurry, NULL);
    return 0;
}

/* --- open --- */

static const luaL_Reg script_methods[] = {
    {"settings", l_script_settings},
    {"groups", l_script_groups},
    {"open_loop", l_script_open_loop},
    {"jit_refusal", l_script_jit_refusal},
    {"close", l_script_gc},
    {"__gc", l_script_gc},
    {NULL, NULL},
};

static const luaL_Reg node_methods[] = {
    {"address", l_node_address},
    {"stats", l_node_stats},
    {"reload", l_node_reload},
    {"set_group_peers", l_node_set_group_peers},
    {"set_peers", l_node_set_peers},
    {"stop", l_node_stop},
    {"wait", l_node_wait},
    {"close", l_node_gc},
    {"__gc", l_node_gc},
    {NULL, NULL},
};

static const luaL_Reg buf_methods[] = {
    {"__gc", l_buf_gc},
    {NULL, NULL},
};

void bind_node_open(lua_State *L)
{
    core_new_class(L, BIND_SCRIPT, script_methods);
    core_new_class(L, BIND_NODE, node_methods);
    core_new_class(L, BIND_BUF, buf_methods);
}

const luaL_Reg bind_node[] = {
    {"take_signals", l_take_signals}, {"check", l_check},         {"folder_of", l_folder_of},
    {"variables", l_variables},       {"script", l_script},       {"node", l_node},
    {"ring_hashes", l_ring_hashes},   {"wants_jit", l_wants_jit}, {NULL, NULL},
};
