/* SPDX-License-Identifier: MIT */
/* shared.c - tables that the VMs of a node have in common: groupcache/shared.lua has the face. */
#include "bind/bind.h"

#include <string.h>

#include "base/clock.h"
#include "bind/core.h"
#include "bind/which.h"
#include "cache/groups.h"
#include "cache/shared.h"
#include "script/vm.h"

/* core.shared(name, bytes) -> table, a light userdata that is good while the VM lives | nil: the
 * node does not run yet */
static int l_shared(lua_State *L)
{
    const char *name = luaL_checkstring(L, 1);
    double bytes = luaL_checknumber(L, 2);
    struct groups *gs = vm_groups(which_vm(L, "groupcache.shared"));
    struct error e;
    struct shared *s;

    if (!gs)
        return 0;
    s = groups_shared(gs, name, (uint64_t)bytes, &e);
    if (!s)
        return core_error(L, &e);
    lua_pushlightuserdata(L, s);
    return 1;
}

static struct shared *check(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TLIGHTUSERDATA);
    return lua_touserdata(L, 1);
}

/* core.shared_get(table, key) -> text or number | nothing */
static int l_shared_get(lua_State *L)
{
    struct shared *s = check(L);
    struct key_ref k = core_check_key(L, 2);
    void **place = core_item_owner(L);
    struct item *it = *place = shared_get(s, &k);
    double number;

    if (!it)
        return 0;
    if (item_value(it)[0] == SHARED_NUMBER) {
        memcpy(&number, item_value(it) + 1, sizeof(number));
        lua_pushnumber(L, number);
    } else {
        lua_pushlstring(L, item_value(it) + 1, it->value_len - 1);
    }
    item_unref(it);
    *place = NULL;
    return 1;
}

static int answer(lua_State *L, enum err code, const struct error *e)
{
    if (code)
        return core_error(L, e);
    lua_pushboolean(L, 1);
    return 1;
}

/* core.shared_set(table, key, text or number, ttl_ms) -> true | nil, message, code */
static int l_shared_set(lua_State *L)
{
    struct shared *s = check(L);
    struct key_ref k = core_check_key(L, 2);
    uint64_t ttl_ms = (uint64_t)luaL_checknumber(L, 4);
    struct error e;
    double number;
    size_t n;

    if (lua_type(L, 3) == LUA_TNUMBER) {
        number = lua_tonumber(L, 3);
        return answer(L, shared_set(s, &k, SHARED_NUMBER, &number, sizeof(number), ttl_ms, &e), &e);
    }
    luaL_checklstring(L, 3, &n);
    return answer(L, shared_set(s, &k, SHARED_TEXT, lua_tostring(L, 3), n, ttl_ms, &e), &e);
}

/* core.shared_remove(table, key) -> whether it was there */
static int l_shared_remove(lua_State *L)
{
    struct shared *s = check(L);
    struct key_ref k = core_check_key(L, 2);

    lua_pushboolean(L, shared_remove(s, &k));
    return 1;
}

/* core.shared_incr(table, key, by, first, ttl_ms) -> number | nil, message, code */
static int l_shared_incr(lua_State *L)
{
    struct shared *s = check(L);
    struct key_ref k = core_check_key(L, 2);
    double by = luaL_checknumber(L, 3), first = luaL_checknumber(L, 4), sum;
    uint64_t ttl_ms = (uint64_t)luaL_checknumber(L, 5);
    struct error e;

    if (shared_incr(s, &k, by, first, ttl_ms, &sum, &e))
        return core_error(L, &e);
    lua_pushnumber(L, sum);
    return 1;
}

/* core.shared_left(table, key) -> seconds until its end, -1 without an end | nothing */
static int l_shared_left(lua_State *L)
{
    struct shared *s = check(L);
    struct key_ref k = core_check_key(L, 2);
    struct item *it = shared_get(s, &k);
    uint64_t now_ms = clock_ms(), ends_ms = it ? item_expires_ms(it) : 0;

    if (!it)
        return 0;
    item_unref(it);
    lua_pushnumber(L, !ends_ms ? -1 : ends_ms > now_ms ? (double)(ends_ms - now_ms) / 1000 : 0);
    return 1;
}

/* core.shared_stats(table) -> entries, bytes, evictions */
static int l_shared_stats(lua_State *L)
{
    struct lru_stats stats;

    shared_stats(check(L), &stats);
    lua_pushnumber(L, (double)stats.items);
    lua_pushnumber(L, (double)stats.bytes);
    lua_pushnumber(L, (double)stats.evictions);
    return 3;
}

const luaL_Reg bind_shared[] = {
    {"shared", l_shared},
    {"shared_get", l_shared_get},
    {"shared_incr", l_shared_incr},
    {"shared_left", l_shared_left},
    {"shared_remove", l_shared_remove},
    {"shared_set", l_shared_set},
    {"shared_stats", l_shared_stats},
    {NULL, NULL},
};
