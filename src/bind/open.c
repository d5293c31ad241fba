/* SPDX-License-Identifier: MIT */
/* open.c - the roof of the Lua API: the module, and functions too small for a file of their own. */
#include "bind/open.h"

#include <lauxlib.h>
#include <lua.h>
#include <string.h>
#include <sys/resource.h>

#include "base/cgroup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/log_line.h"
#include "base/thread.h"
#include "base/traceparent.h"
#include "base/url.h"
#include "bind/bind.h"
#include "bind/core.h"
#include "cache/flight.h"
#include "node/keyers.h"
#include "script/bytes.h"
#include "script/outcome.h"
#include "script/task.h"
#include "script/vm.h"

#ifndef GROUPCACHE_VERSION
#define GROUPCACHE_VERSION "unknown"
#endif

/* core.now() -> seconds on the clock of deadlines */
static int l_now(lua_State *L)
{
    lua_pushnumber(L, (double)clock_ns() / 1e9);
    return 1;
}

/* The trace of the load that the running getter makes; "": none. */
static void trace_of(lua_State *L, char *out)
{
    struct vm *vm = vm_of(L);
    struct task *t = vm ? vm_current(vm) : NULL;

    if (t && t->flight && t->flight->trace)
        traceparent_id(t->flight->trace, out);
}

/* core.log(level, message, fields, mod): fields is a text of key=value pairs, already quoted; mod
 * is the module's name, "script" when it is nil. */
static int l_log(lua_State *L)
{
    int level = log_level_from_name(luaL_checkstring(L, 1));
    size_t n;
    const char *message = luaL_checklstring(L, 2, &n), *fields = luaL_optstring(L, 3, "");
    const char *mod = luaL_optstring(L, 4, "script");
    char quoted[2048], trace[TRACEPARENT_ID_BYTES + 1] = "";

    luaL_argcheck(L, level >= 0 && level < LOG_OFF, 1, "level is debug, info, warn or error");
    trace_of(L, trace);
    log_quote(quoted, sizeof(quoted), message, n);
    quoted[strlen(quoted) - 1] = '\0'; /* log_write() has quotes of its own */
    log_write((enum log_level)level, mod, quoted + 1, "%s%s%s%s", fields,
              *trace && *fields ? " " : "", *trace ? "trace=" : "", trace);
    return 0;
}

/* core.quote(bytes) -> the bytes as a quoted value of a log line */
static int l_quote(lua_State *L)
{
    size_t n;
    const char *bytes = luaL_checklstring(L, 1, &n);
    char quoted[3000];

    lua_pushstring(L, log_quote(quoted, sizeof(quoted), bytes, n));
    return 1;
}

/* core.set_log(levels, format): both checked */
static int l_set_log(lua_State *L)
{
    int format = log_line_format_from_name(luaL_optstring(L, 2, "text"));
    struct error e;

    if (log_set_levels(luaL_checkstring(L, 1), &e))
        return luaL_argerror(L, 1, e.msg);
    luaL_argcheck(L, format >= 0, 2, "format is text or json");
    log_line_set_format((enum log_format)format);
    return 0;
}

/* core.check_log_levels(text) -> true | nil, message */
static int l_check_log_levels(lua_State *L)
{
    struct error e;

    if (log_check_levels(luaL_checkstring(L, 1), &e)) {
        lua_pushnil(L);
        lua_pushstring(L, e.msg);
        return 2;
    }
    lua_pushboolean(L, 1);
    return 1;
}

/* core.check_peer_url(url) -> true | nil, message, code */
static int l_check_peer_url(lua_State *L)
{
    size_t n;
    const char *url = luaL_checklstring(L, 1, &n);
    struct error e;

    if (strlen(url) != n)
        error_set(&e, ERR_INVAL, "the URL of a peer has a NUL in it");
    else if (!url_check_peer(url, &e)) {
        lua_pushboolean(L, 1);
        return 1;
    }
    return core_error(L, &e);
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

/* Pushes a limit, or nil where there is none. */
static void push_limit(lua_State *L, double limit)
{
    if (limit > 0)
        lua_pushnumber(L, limit);
    else
        lua_pushnil(L);
}

/* core.limits() -> cores, open files allowed; of the control groups, each nil if there is no limit:
 * processors, such as 1.5, and bytes of memory */
static int l_limits(lua_State *L)
{
    struct rlimit r = {.rlim_cur = 1024};
    struct cgroup_limits limits;

    getrlimit(RLIMIT_NOFILE, &r);
    cgroup_limits("", &limits);
    lua_pushinteger(L, cgroup_cores());
    lua_pushnumber(L, (double)r.rlim_cur);
    push_limit(L, limits.cpus);
    push_limit(L, (double)limits.memory);
    return 4;
}

/* core.keyers(http_threads) -> the VMs of key functions that a node with so many threads has */
static int l_keyers(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)keyers_count((uint64_t)luaL_checknumber(L, 1)));
    return 1;
}

static const luaL_Reg functions[] = {
    {"check_peer_url", l_check_peer_url},
    {"in_node", l_in_node},
    {"keyers", l_keyers},
    {"limits", l_limits},
    {"log", l_log},
    {"now", l_now},
    {"quote", l_quote},
    {"set_log", l_set_log},
    {"check_log_levels", l_check_log_levels},
    {"stack_used", l_stack_used},
    {NULL, NULL},
};

__attribute__((visibility("default"))) int luaopen_groupcache_core(lua_State *L)
{
    const luaL_Reg *all[] = {
        bind_client,   functions,   bind_child,   bind_core,       bind_group,       bind_io,
        bind_library,  bind_loop,   bind_node,    bind_many,       bind_change,      bind_peek,
        bind_hits,     bind_encode, bind_decode,  bind_background, bind_node_script, bind_stream,
        bind_discover, bind_dns,    bind_pending, bind_spans,      bind_shared,      bind_constant};
    size_t i;

    core_set_opener(L, luaopen_groupcache_core);
    bind_core_open(L);
    bind_child_open(L);
    bind_constant_open(L);
    bind_client_open(L);
    bind_handle_open(L);
    bind_hits_open(L);
    bind_loop_open(L);
    bind_stream_open(L);
    core_new_class(L, BYTES_CLASS, bytes_methods());
    bind_pending_open(L);
    bind_node_script_open(L);
    bind_node_open(L);
    bind_library_open(L); /* after bind_node_open(): it adds a method to a node */
    lua_newtable(L);
    for (i = 0; i < sizeof(all) / sizeof(*all); i++)
        luaL_setfuncs(L, all[i], 0);
    lua_pushlightuserdata(L, NULL);
    lua_setfield(L, -2, "null");
    lua_pushlightuserdata(L, outcome_same());
    lua_setfield(L, -2, "same");
    luaL_newmetatable(L, CORE_LIST);
    lua_pushliteral(L, "array");
    lua_setfield(L, -2, "__jsontype");
    lua_setfield(L, -2, "list");
    lua_pushliteral(L, GROUPCACHE_VERSION);
    lua_setfield(L, -2, "version");
    return 1;
}
