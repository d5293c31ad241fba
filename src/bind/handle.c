/* SPDX-License-Identifier: MIT */
#include "bind/handle.h"

#include <lauxlib.h>
#include <string.h>

#include "bind/bind.h"
#include "bind/core.h"
#include "cache/group.h"
#include "cache/reader.h"

#define BIND_HANDLE "groupcache.handle"

struct handle *handle_check(lua_State *L, int index)
{
    struct handle *h = luaL_checkudata(L, index, BIND_HANDLE);

    luaL_argcheck(L, h->group, index, "this group was collected");
    return h;
}

struct handle *handle_new(lua_State *L)
{
    struct handle *h = lua_newuserdata(L, sizeof(*h));

    memset(h, 0, sizeof(*h));
    luaL_getmetatable(L, BIND_HANDLE);
    lua_setmetatable(L, -2);
    return h;
}

struct group *handle_group(lua_State *L, struct changes **changes)
{
    struct handle *h = handle_check(L, 1);

    if (changes)
        *changes = h->changes;
    return group_ref(h->group);
}

static int l_handle_gc(lua_State *L)
{
    struct handle *h = luaL_checkudata(L, 1, BIND_HANDLE);

    reader_free(h->reader);
    item_unref(h->held);
    group_unref(h->group);
    memset(h, 0, sizeof(*h));
    return 0;
}

static const luaL_Reg handle_methods[] = {
    {"__gc", l_handle_gc},
    {NULL, NULL},
};

void bind_handle_open(lua_State *L)
{
    core_new_class(L, BIND_HANDLE, handle_methods);
}
