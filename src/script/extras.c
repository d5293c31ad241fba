/* SPDX-License-Identifier: MIT */
#include "script/extras.h"

#include <lua.h>
#include <string.h>

#include "cache/extra.h"

/* Adds a header to the table on top. A second one of the name makes a list. */
static void add_header(lua_State *L, const char *name, const char *value)
{
    lua_getfield(L, -1, name);
    if (lua_istable(L, -1)) {
        lua_pushstring(L, value);
        lua_rawseti(L, -2, (int)lua_objlen(L, -2) + 1);
        lua_pop(L, 1);
    } else if (lua_isstring(L, -1)) {
        lua_createtable(L, 2, 0);
        lua_insert(L, -2);
        lua_rawseti(L, -2, 1);
        lua_pushstring(L, value);
        lua_rawseti(L, -2, 2);
        lua_setfield(L, -2, name);
    } else {
        lua_pop(L, 1);
        lua_pushstring(L, value);
        lua_setfield(L, -2, name);
    }
}

void extras_set(lua_State *L, const char *extra, size_t n)
{
    const char *at = extra, *end = n ? extra + n : extra, *type = NULL;
    struct extra_field f;

    lua_newtable(L);
    while (n && extra_next(&at, end, &f)) {
        const char *value = f.bytes + (f.kind == EXTRA_HEADER ? strlen(f.bytes) + 1 : 0);

        if (f.kind != EXTRA_HEADER)
            continue;
        if (strcmp(f.bytes, "content-type") == 0)
            type = value;
        else
            add_header(L, f.bytes, value);
    }
    lua_setfield(L, -2, "headers");
    if (!type)
        return;
    lua_pushstring(L, type);
    lua_setfield(L, -2, "content_type");
}
