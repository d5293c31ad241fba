/* SPDX-License-Identifier: MIT */
/* node.c - starts, reloads and stops nodes, and waits for signals.
 *
 * core.node(script, settings) starts a node from a script that has run (node_script.c), with
 * settings that groupcache/config.lua has completed and checked. */
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
#include "base/networks.h"
#include "base/notify.h"
#include "base/signals.h"
#include "base/spool.h"
#include "bind/core.h"
#include "bind/node_script.h"
#include "node/node.h"
#include "node/settings.h"
#include "script/defs.h"
#include "script/interrupt.h"
#include "script/script.h"
#include "script/vm.h"
#include "script/worker.h"

enum { MAX_PEERS = 10000 };

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

static const char *string_field(lua_State *L, int index, const char *name)
{
    const char *text;

    lua_getfield(L, index, name);
    text = luaL_optstring(L, -1, NULL);
    lua_pop(L, 1); /* the table holds it */
    return text;
}

static int flag_field(lua_State *L, int index, const char *name)
{
    int is;

    lua_getfield(L, index, name);
    is = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return is;
}

/* The peers of the settings at `index`, typed or from a source. */
static struct keeper_list check_peers(lua_State *L, int index)
{
    struct keeper_list list = {.source = string_field(L, index, "peers_source"),
                               .sources = string_field(L, index, "sources")};

    lua_getfield(L, index, "peers");
    list.peers = check_list(L, lua_gettop(L), &list.n_peers);
    return list;
}

static enum dialect check_dialect(lua_State *L, int index)
{
    int dialect = dialect_from_name(luaL_checkstring(L, index));

    luaL_argcheck(L, dialect >= 0, index, "unknown dialect");
    return (enum dialect)dialect;
}

/* core.ring_hashes(dialect) -> names of the hashes that its ring may have, the default first */
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

/* core.check_network(text) -> true | nil, message, code: whether it is an address or a network */
static int l_check_network(lua_State *L)
{
    struct networks one = {NULL, 0};
    struct error e;
    size_t n;
    const char *text = luaL_checklstring(L, 1, &n);
    enum err failed = networks_add(&one, text, n, &e);

    networks_deinit(&one);
    if (failed)
        return core_error(L, &e);
    lua_pushboolean(L, 1);
    return 1;
}

/* The value on top of the stack, which the table of settings holds. */
static void check_setting(lua_State *L, enum setting_kind kind, void *at)
{
    int hash;

    switch (kind) {
    case SETTING_NUMBER:
        *(uint64_t *)at = (uint64_t)luaL_checknumber(L, -1);
        break;
    case SETTING_TEXT:
        *(const char **)at = luaL_optstring(L, -1, NULL);
        break;
    case SETTING_FLAG:
        *(int *)at = lua_toboolean(L, -1);
        break;
    case SETTING_DIALECT:
        *(enum dialect *)at = check_dialect(L, -1);
        break;
    case SETTING_HASH:
        hash = hash_kind_from_name(luaL_checkstring(L, -1));
        luaL_argcheck(L, hash >= 0, 2, "unknown hash");
        *(enum hash_kind *)at = (enum hash_kind)hash;
        break;
    }
}

static void check_settings(lua_State *L, int index, struct settings *out)
{
    const struct setting *s;
    size_t i;

    luaL_checktype(L, index, LUA_TTABLE);
    for (i = 0; (s = settings_at(i)); i++) {
        lua_getfield(L, index, s->name);
        check_setting(L, s->kind, (char *)out + s->at);
        lua_pop(L, 1);
    }
}

static struct node_opts check_opts(lua_State *L, const struct bind_node_script *s)
{
    struct node_opts o = {.script = s->script};
    struct vm_opts *vm = &o.settings.vm;

    check_settings(L, 2, &o.settings);
    o.admin_moves = flag_field(L, 2, "admin_moves");
    o.may_exit = flag_field(L, 2, "may_exit");
    o.self.host = string_field(L, 2, "self_host");
    o.self.find = flag_field(L, 2, "self_find");
    o.self.remote = flag_field(L, 2, "self_remote");
    o.list = check_peers(L, 2);
    vm->path = string_field(L, 2, "package_path");
    vm->cpath = string_field(L, 2, "package_cpath");
    vm->open = core_opener(L);
    vm->prelude = BIND_PRELUDE;
    return o;
}

/* core.check(script, settings) -> true | nil, message, code: whether core.node() could start it */
static int l_check(lua_State *L)
{
    struct bind_node_script *s = bind_node_script_check(L, 1);
    struct node_opts o = check_opts(L, s);
    struct error e;

    if (node_check(&o, s->vm, &e))
        return bind_node_script_error(L, s, &e);
    lua_pushboolean(L, 1);
    return 1;
}

/* core.node(script, settings) -> node | nil, message, code. The script is closed then. */
static int l_node(lua_State *L)
{
    struct bind_node_script *s = bind_node_script_check(L, 1);
    struct node_opts o = check_opts(L, s);
    struct node **slot;
    struct error e;

    slot = lua_newuserdata(L, sizeof(*slot));
    *slot = NULL;
    luaL_getmetatable(L, BIND_NODE);
    lua_setmetatable(L, -2);
    *slot = node_start(&o, bind_node_script_give_worker(s), &e);
    return *slot ? 1 : bind_node_script_error(L, s, &e);
}

/* node:address() -> "host:port", that of the admin listener, whether its default was taken, the
 * node's own URL */
static int l_node_address(lua_State *L)
{
    struct node *n = bind_node_check(L, 1);

    lua_pushstring(L, node_address(n));
    lua_pushstring(L, node_admin_address(n));
    lua_pushboolean(L, node_admin_moved(n));
    lua_pushstring(L, node_self(n));
    return 4;
}

/* node:stats() -> JSON text */
static int l_node_stats(lua_State *L)
{
    struct node *n = bind_node_check(L, 1);
    struct buf *out = core_new_buf(L);

    node_stats(n, out);
    if (out->failed)
        return luaL_error(L, "no memory for the statistics");
    lua_pushlstring(L, out->data, out->len);
    return 1;
}

/* --- signals --- */

/* 1 after a second signal: the operator does not wait for the drain. */
static int hurry(void *arg)
{
    (void)arg;
    return signals_take_stop();
}

/* core.take_signals(reopen): from here on the signals of a node wait for node:wait(), and workers
 * use a signal for late code. reopen: SIGUSR1 opens the access log anew. For groupcached only,
 * before any worker starts. */
static int l_take_signals(lua_State *L)
{
    if (lua_toboolean(L, 1))
        signals_on_usr1(spool_reopen_all);
    signals_serve();
    interrupt_by_signal(SIGVTALRM);
    return 0;
}

/* core.notify_reloading(status): the service manager is told that a reload begins. */
static int l_notify_reloading(lua_State *L)
{
    notify_reloading(luaL_checkstring(L, 1));
    return 0;
}

/* core.notify_reloaded(status): and that it has ended. */
static int l_notify_reloaded(lua_State *L)
{
    notify_reloaded(luaL_checkstring(L, 1));
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

/* node:gave_up() -> whether the process was told to end, since all workers were stuck */
static int l_node_gave_up(lua_State *L)
{
    lua_pushboolean(L, node_gave_up(bind_node_check(L, 1)));
    return 1;
}

/* node:reload(script, settings) -> true | nil, message, code. The script is closed then. */
static int l_node_reload(lua_State *L)
{
    struct node *n = bind_node_check(L, 1);
    struct bind_node_script *s = bind_node_script_check(L, 2);
    struct keeper_list list;
    struct error e;

    luaL_checktype(L, 3, LUA_TTABLE);
    list = check_peers(L, 3);
    if (node_reload(n, s->script, bind_node_script_give_worker(s), &list, &e))
        return bind_node_script_error(L, s, &e);
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
    if (keeper_set_typed(node_keeper(n), peers, count, &e))
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

    if (keeper_set_typed_of(node_keeper(n), group, urls, &e))
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

static const luaL_Reg node_methods[] = {
    {"address", l_node_address},
    {"stats", l_node_stats},
    {"reload", l_node_reload},
    {"set_group_peers", l_node_set_group_peers},
    {"set_peers", l_node_set_peers},
    {"stop", l_node_stop},
    {"wait", l_node_wait},
    {"gave_up", l_node_gave_up},
    {"close", l_node_gc},
    {"__gc", l_node_gc},
    {NULL, NULL},
};

void bind_node_open(lua_State *L)
{
    core_new_class(L, BIND_NODE, node_methods);
}

const luaL_Reg bind_node[] = {
    {"check", l_check},
    {"check_network", l_check_network},
    {"node", l_node},
    {"notify_reloaded", l_notify_reloaded},
    {"notify_reloading", l_notify_reloading},
    {"ring_hashes", l_ring_hashes},
    {"take_signals", l_take_signals},
    {NULL, NULL},
};
