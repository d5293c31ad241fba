/* SPDX-License-Identifier: MIT */
#include "bind/value.h"

#include <string.h>

#include "base/clock.h"
#include "bind/core.h"
#include "cache/extra.h"
#include "cache/group.h"
#include "cache/item.h"
#include "cache/packed.h"
#include "script/extras.h"

static void set_number(lua_State *L, const char *name, double n)
{
    lua_pushnumber(L, n);
    lua_setfield(L, -2, name);
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
    if (it->mortal)
        set_number(L, "ttl", ((double)item_expires_ms(it) - (double)now) / 1000);
    if (extra_window(extra, n, EXTRA_REVALIDATE, &ms))
        set_number(L, "stale_while_revalidate", (double)ms / 1000);
    if (extra_window(extra, n, EXTRA_IF_ERROR, &ms))
        set_number(L, "stale_if_error", (double)ms / 1000);
    extras_set(L, extra, n);
}

/* Puts the item with the value itself into an owner, which is then on top of the stack. NULL and e.
 */
static struct item *open_packed(lua_State *L, struct item *it, void ***owner, struct error *e)
{
    *owner = core_item_owner(L);
    **owner = packed_open(it, e);
    if (**owner)
        core_make_room(L, ((struct item *)**owner)->value_len);
    return **owner;
}

static int push_opened(lua_State *L, const struct group *g, struct item *it, enum source source,
                       int full)
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

int value_push(lua_State *L, const struct group *g, struct item *it, enum source source, int full)
{
    struct error e;
    void **owner;
    int n;

    if (!item_is_packed(it))
        return push_opened(L, g, it, source, full);
    it = open_packed(L, it, &owner, &e);
    if (!it)
        return core_error(L, &e);
    n = push_opened(L, g, it, source, full);
    *owner = NULL; /* or the bytes would be there twice until the next collection */
    item_unref(it);
    return n;
}
