/* SPDX-License-Identifier: MIT */
/* background.c - background functions, as the script defines them. */
#include "bind/bind.h"

#include <lauxlib.h>
#include <lua.h>

#include "bind/core.h"
#include "bind/which.h"
#include "script/defs.h"
#include "script/vm.h"

/* core.background(what, where, name or nil, every_ms or nil, ready_timeout_ms or nil, fn,
 * farewell): records a background function; in the VM of a worker that takes loads it only checks.
 * groupcache/background.lua has checked the arguments. -> true | nil, message, code */
static int l_background(lua_State *L)
{
    const char *what = luaL_checkstring(L, 1);
    struct vm *vm = which_vm(L, what);
    struct def_background d = {
        .where = (char *)(size_t)luaL_checkstring(L, 2), /* borrowed: defs.h copies */
        .name = (char *)(size_t)luaL_optstring(L, 3, NULL),
        .every_ms = (uint64_t)luaL_optnumber(L, 4, 0),
        .ready_timeout_ms = (uint64_t)luaL_optnumber(L, 5, 0),
        .farewell = lua_toboolean(L, 7),
    };
    struct error e;

    luaL_checktype(L, 6, LUA_TFUNCTION);
    if (!vm_defining(vm)) {
        error_set(&e, ERR_INVAL, "%s: to be called while the script runs, not later", what);
        return core_error(L, &e);
    }
    if (vm_is_control(vm)) {
        lua_pushvalue(L, 6);
        d.fn_ref = luaL_ref(L, LUA_REGISTRYINDEX); /* a refused function ends the script */
        if (defs_add_background(vm_defs(vm), &d, &e))
            return core_error(L, &e);
    }
    lua_pushboolean(L, 1);
    return 1;
}

const luaL_Reg bind_background[] = {
    {"background", l_background},
    {NULL, NULL},
};
