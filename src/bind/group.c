/* SPDX-License-Identifier: MIT */
/* group.c - defining a group. */
#include "bind/bind.h"

#include <lauxlib.h>
#include <lua.h>

#include "bind/core.h"
#include "bind/which.h"
#include "cache/group.h"
#include "cache/packed.h"
#include "script/defs.h"
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

/* core.can_compress(coding) -> whether this build knows it */
static int l_can_compress(lua_State *L)
{
    lua_pushboolean(L, packed_name((enum packed_coding)luaL_checkint(L, 1)) != NULL);
    return 1;
}

const luaL_Reg bind_group[] = {
    {"can_compress", l_can_compress},
    {"define", l_define},
    {NULL, NULL},
};
