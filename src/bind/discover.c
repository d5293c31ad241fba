/* SPDX-License-Identifier: MIT */
/* discover.c - what the keeper of the lists of peers needs (groupcache.discover.keeper), and its
 * sources. The functions that take the node are for the VM of a control worker whose node runs. */
#include "bind/bind.h"

#include <errno.h>
#include <lauxlib.h>
#include <lua.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "bind/core.h"
#include "net/route.h"
#include "node/keeper.h"
#include "node/node.h"
#include "script/vm.h"

static struct node *check_node(lua_State *L)
{
    struct vm *vm = vm_of(L);
    struct node *n = vm ? vm_node(vm) : NULL;

    if (!n)
        luaL_error(L, "no node keeps its peers from here");
    return n;
}

static struct keeper *check_keeper(lua_State *L)
{
    return node_keeper(check_node(L));
}

/* core.keep_peers(urls, each ended by a line end; group or nil) -> true | nil, message, code */
static int l_keep_peers(lua_State *L)
{
    struct keeper *k = check_keeper(L);
    const char *urls = luaL_checkstring(L, 1), *group = luaL_optstring(L, 2, NULL);
    struct error e;

    if (keeper_set(k, vm_of(L), group, urls, &e))
        return core_error(L, &e);
    lua_pushboolean(L, 1);
    return 1;
}

/* core.kept_peers(group or nil) -> the URLs that are used now, each ended by a line end */
static int l_kept_peers(lua_State *L)
{
    struct keeper *k = check_keeper(L);
    const char *group = luaL_optstring(L, 1, NULL);
    struct buf *out = core_new_buf(L);

    keeper_list_put(k, group, out);
    if (out->failed)
        return luaL_error(L, "no memory for the list of peers");
    lua_pushlstring(L, out->data ? out->data : "", out->len);
    return 1;
}

/* core.tell_sources(json): what /stats says of the sources */
static int l_tell_sources(lua_State *L)
{
    size_t n;
    const char *json = luaL_checklstring(L, 1, &n);

    keeper_tell(check_keeper(L), vm_of(L), json, n);
    return 0;
}

/* core.source_goes_on(name) -> whether the node's present script has that source */
static int l_source_goes_on(lua_State *L)
{
    lua_pushboolean(L, keeper_goes_on(check_keeper(L), luaL_checkstring(L, 1)));
    return 1;
}

/* core.node_self() -> the URL of the node */
static int l_node_self(lua_State *L)
{
    lua_pushstring(L, node_self(check_node(L)));
    return 1;
}

/* core.file_stamp(path) -> a text that changes with the file | nil, message */
static int l_file_stamp(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    struct stat s;

    if (stat(path, &s)) {
        lua_pushnil(L);
        lua_pushfstring(L, "%s: %s", path, strerror(errno));
        return 2;
    }
    lua_pushfstring(L, "%f:%f:%f:%f.%d", (double)s.st_dev, (double)s.st_ino, (double)s.st_size,
                    (double)s.st_mtim.tv_sec, (int)s.st_mtim.tv_nsec);
    return 1;
}

/* core.own_address(host) -> the address from which that host is reached | nil, message, code.
 * Looks the name up, which may take long. */
static int l_own_address(lua_State *L)
{
    const char *host = luaL_checkstring(L, 1);
    char address[ROUTE_TEXT];
    struct error e;

    if (route_from(host, address, &e))
        return core_error(L, &e);
    lua_pushstring(L, address);
    return 1;
}

const luaL_Reg bind_discover[] = {
    {"file_stamp", l_file_stamp},     {"keep_peers", l_keep_peers},
    {"kept_peers", l_kept_peers},     {"node_self", l_node_self},
    {"own_address", l_own_address},   {"source_goes_on", l_source_goes_on},
    {"tell_sources", l_tell_sources}, {NULL, NULL},
};
