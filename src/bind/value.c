/* SPDX-License-Identifier: MIT */
#include "bind/value.h"

#include <string.h>

#include "base/clock.h"
#include "bind/core.h"
#include "cache/extra.h"
#include "cache/group.h"
#include "cache/item.h"

static void set_number(lua_State *L, const char *name, double n)
{
    lua_pushnumber(L, n);
    lua_setfield(L, -2, name);
}

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

static void set_headers(lua_State *L, const char *extra, size_t n)
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

void value_push_full(lua_State *L, struct item *it)
{
    size_t n;
    const char *extra = item_extra(it, &n);
    uint64_t now = clock_ms(), ms;

    lua_createtable(L, 0, 8);
    lua_pushlstring(L, item_value(it), it->value_len);
    lua_setfield(L, -2, "body");
    set_number(L, "status", item_status(it));
    set_number(L, "age", (double)item_age_s(it, now));
    if (it->expires_ms)
        set_number(L, "ttl", ((double)it->expires_ms - (double)now) / 1000);
    if (extra_window(extra, n, EXTRA_REVALIDATE, &ms))
        set_number(L, "stale_while_revalidate", (double)ms / 1000);
    if (extra_window(extra, n, EXTRA_IF_ERROR, &ms))
        set_number(L, "stale_if_error", (double)ms / 1000);
    set_headers(L, extra, n);
}

int value_push(lua_State *L, const struct group *g, struct item *it, enum source source, int full)
{
    struct error e;

    if (full) {
        value_push_full(L, it);
    } else if (item_is_value(it)) {
        lua_pushlstring(L, item_value(it), it->value_len);
    } else {
        extra_refuse(item_status(it), group_name(g), &e);
        return core_error(L, &e);
    }
    return core_source(L, source);
}
