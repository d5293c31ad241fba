/* SPDX-License-Identifier: MIT */
/* peek.c - looks at this node's item of a key, and changes nothing. */
#include "bind/bind.h"

#include <math.h>

#include "base/clock.h"
#include "bind/core.h"
#include "bind/value.h"
#include "bind/which.h"
#include "cache/group.h"

/* The item of the key at index 2, in a slot that a userdata on the stack owns. The slot is NULL:
 * see e. */
static void **find(lua_State *L, const char *what, enum source *source, struct error *e)
{
    struct key_ref k = core_check_key(L, 2);
    void **slot = core_item_owner(L);
    struct group *g = which_group(L, what, NULL);

    *slot = group_peek(g, &k, source);
    if (!*slot)
        error_set(e, ERR_NOTFOUND, "group %s: this node does not hold the key", group_name(g));
    group_unref(g);
    return slot;
}

/* Frees the item now rather than by the collector. */
static void drop(void **slot)
{
    item_unref(*slot);
    *slot = NULL;
}

/* core.peek(group, key, full) -> value, nil, source | nil, message, code */
static int l_peek(lua_State *L)
{
    enum source source = SOURCE_MAIN;
    struct error e;
    int full = lua_toboolean(L, 3), n;
    void **slot = find(L, "group:peek", &source, &e);
    struct item *it = *slot;
    struct group *g;

    if (!it)
        return core_error(L, &e);
    core_make_room(L, it->value_len);
    g = which_group(L, "group:peek", NULL);
    group_unref(g); /* the VM or the handle has another reference */
    n = value_push(L, g, it, source, full);
    drop(slot);
    return n;
}

/* core.ttl(group, key) -> seconds left: less than 0, stale since then; inf, no end | nil, message,
 * "NOTFOUND" */
static int l_ttl(lua_State *L)
{
    enum source source;
    struct error e;
    void **slot = find(L, "group:ttl", &source, &e);
    const struct item *it = *slot;
    uint64_t expires_ms;

    if (!it)
        return core_error(L, &e);
    expires_ms = item_expires_ms(it);
    drop(slot);
    lua_pushnumber(L, expires_ms ? ((double)expires_ms - (double)clock_ms()) / 1000 : HUGE_VAL);
    return 1;
}

const luaL_Reg bind_peek[] = {
    {"peek", l_peek},
    {"ttl", l_ttl},
    {NULL, NULL},
};
