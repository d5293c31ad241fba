/* SPDX-License-Identifier: MIT */
/* hits.c - the hits of group:get inside a getter, without an op and without the group's mutex.
 *
 * If getters of a VM ask a group, the group has a reader in that VM. The Lua side keeps a function
 * whose userdata owns the reader. Beside each item that the reader remembers, the strings of its
 * key and its value are kept, at the item's place, in tables of CHUNK places. So a hit makes no
 * string, and a key that is made anew has the address that the reader knows.
 *
 * Kept strings count against the VM's bound. So strings are kept only while there is much room
 * (vm_may_keep()), and all are dropped before the VM collects for want of room. A string that is
 * not there is made anew, and no get depends on that. */
#include "bind/bind.h"

#include <lauxlib.h>
#include <lua.h>
#include <string.h>

#include "bind/core.h"
#include "bind/which.h"
#include "cache/flight.h"
#include "cache/group.h"
#include "cache/item.h"
#include "cache/reader.h"
#include "script/check.h"
#include "script/task.h"
#include "script/vm.h"

#define BIND_HITS "groupcache.hits"

enum {
    CHUNK = 256,   /* places in a table: the collector visits a whole table in one step */
    CLEAR_AT = 64, /* copies of no use, at which they are cleared */
    KEY = 1        /* the index of the key that is asked for */
};

/* Upvalues of hit(). */
enum { UP_HITS = 1, UP_KEPT, UP_SOURCES };

struct hits {
    struct vm *vm;         /* borrowed: it owns the state */
    struct reader *reader; /* NULL once collected */
    unsigned age;          /* the reader's, when the strings were kept */
    int pushing;           /* a value is pushed: finalizers must not use the reader */
};

static const char all_kept; /* its address is the key of a list in the registry: the kept strings */

static int l_hits_gc(lua_State *L)
{
    struct hits *h = luaL_checkudata(L, 1, BIND_HITS);

    reader_free(h->reader);
    h->reader = NULL;
    return 0;
}

/* --- kept strings --- */

/* Drops all strings of a reader. Never raises: fields that exist become nil. */
static void forget(lua_State *L, int kept)
{
    for (lua_pushnil(L); lua_next(L, kept);) {
        lua_pop(L, 1);
        lua_pushvalue(L, -1);
        lua_pushnil(L);
        lua_rawset(L, kept);
    }
}

/* The same of all readers of the VM. Takes few enough places of the stack to need no check. */
static void forget_all(lua_State *L)
{
    int list = lua_gettop(L) + 1;
    size_t n, i;

    lua_pushlightuserdata(L, (void *)(size_t)&all_kept);
    lua_rawget(L, LUA_REGISTRYINDEX);
    n = lua_istable(L, list) ? lua_objlen(L, list) : 0;
    for (i = 1; i <= n; i++) {
        lua_rawgeti(L, list, (int)i);
        forget(L, list + 1);
        lua_settop(L, list);
    }
    lua_settop(L, list - 1);
}

/* Pushes the table with a place, or nil. */
static int push_chunk(lua_State *L, int place)
{
    lua_rawgeti(L, lua_upvalueindex(UP_KEPT), place / CHUNK + 1);
    return !lua_isnil(L, -1);
}

static void make_chunk(lua_State *L, int place)
{
    lua_pop(L, 1);
    lua_createtable(L, 2 * CHUNK, 0);
    lua_pushvalue(L, -1);
    lua_rawseti(L, lua_upvalueindex(UP_KEPT), place / CHUNK + 1);
}

/* Pops a key and a value into their places of the table below them. */
static void put(lua_State *L, int place)
{
    lua_rawseti(L, -3, CHUNK + place % CHUNK + 1);
    lua_rawseti(L, -2, place % CHUNK + 1);
}

/* Keeps the value on top of the stack, and its key, or clears the place if there is no room. */
static void keep(lua_State *L, const struct hits *h, int place, size_t n)
{
    int value = lua_gettop(L), room = vm_may_keep(h->vm, n);

    if (!push_chunk(L, place) && room)
        make_chunk(L, place);
    if (lua_istable(L, -1)) {
        if (room) {
            lua_pushvalue(L, value);
            lua_pushvalue(L, KEY);
        } else {
            lua_pushnil(L);
            lua_pushnil(L);
        }
        put(L, place);
    }
    lua_settop(L, value);
}

/* Drops the strings of one item that is not remembered any more. */
static void clear_one(lua_State *L, const struct hits *h)
{
    int top = lua_gettop(L), place = reader_take_left(h->reader);

    if (place >= 0 && push_chunk(L, place)) {
        lua_pushnil(L);
        lua_pushnil(L);
        put(L, place);
    }
    lua_settop(L, top);
}

/* Pushes the value that was kept for the place, if there is one; or leaves other things there. */
static int push_kept(lua_State *L, int place)
{
    if (!push_chunk(L, place))
        return 0;
    lua_rawgeti(L, -1, place % CHUNK + 1);
    return !lua_isnil(L, -1);
}

/* If this raises for want of memory, `pushing` stays set, and getters use core.get() from then on.
 */
static void push_made(lua_State *L, struct hits *h, const struct recalled *found)
{
    size_t n = found->item->value_len;

    h->pushing = 1;
    vm_make_room(h->vm, n);
    if (h->age != reader_age(h->reader)) { /* all slots were emptied */
        forget(L, lua_upvalueindex(UP_KEPT));
        h->age = reader_age(h->reader);
    }
    lua_pushlstring(L, item_value(found->item), n);
    if (found->place >= 0)
        keep(L, h, found->place, n);
    h->pushing = 0;
    reader_let_go(h->reader);
}

/* --- hits --- */

static int may_look(lua_State *L, const struct hits *h)
{
    return h->reader && !h->pushing && check_may_wait(h->vm, L) &&
           !group_is_closed(reader_group(h->reader));
}

/* hit(key) -> value, source, which is nil for main | nil: a miss, which was counted | false: no
 * look, call core.get().
 * Where code may not wait, core.get() raises, so a get raises there whether or not the key is
 * cached. */
static int l_hit(lua_State *L)
{
    struct hits *h = lua_touserdata(L, lua_upvalueindex(UP_HITS));
    struct recalled found;
    enum hit hit;
    const char *key;
    size_t n;

    if (lua_type(L, KEY) != LUA_TSTRING || !may_look(L, h)) {
        lua_pushboolean(L, 0);
        return 1;
    }
    key = lua_tolstring(L, KEY, &n);
    hit = reader_recall(h->reader, key, n, &found);
    if (hit == HIT_NONE || !item_is_value(found.item)) { /* core.get() says why */
        lua_pushnil(L);
        return 1;
    }
    if (hit == HIT_OTHER || !push_kept(L, found.place))
        push_made(L, h, &found);
    if (hit == HIT_OTHER || reader_left(h->reader) >= CLEAR_AT)
        clear_one(L, h);
    if (found.source == SOURCE_MAIN) /* nearly always, and a value less is faster */
        return 1;
    lua_pushvalue(L, lua_upvalueindex(UP_SOURCES + (int)found.source));
    return 2;
}

/* Pushes an empty table for kept strings, which forget_all() finds. */
static void new_kept(lua_State *L)
{
    lua_newtable(L);
    lua_pushlightuserdata(L, (void *)(size_t)&all_kept);
    lua_rawget(L, LUA_REGISTRYINDEX);
    lua_pushvalue(L, -2);
    lua_rawseti(L, -2, (int)lua_objlen(L, -2) + 1);
    lua_pop(L, 1);
}

/* core.hits(name) -> hit, for the group of that name. Raises like core.get(). */
static int l_hits(lua_State *L)
{
    struct hits *h;
    struct group *g;
    int source;

    check_can_wait(L, "group:get");
    h = lua_newuserdata(L, sizeof(*h));
    memset(h, 0, sizeof(*h));
    luaL_getmetatable(L, BIND_HITS);
    lua_setmetatable(L, -2);
    new_kept(L);
    for (source = 0; source < SOURCE_COUNT; source++)
        lua_pushstring(L, source_name((enum source)source));
    lua_pushcclosure(L, l_hit, UP_SOURCES - 1 + SOURCE_COUNT);
    g = which_group(L, "group:get", NULL);
    h->vm = vm_of(L);
    h->reader = reader_new(g, 1);
    h->age = reader_age(h->reader);
    group_unref(g);
    return 1;
}

static const luaL_Reg hits_methods[] = {
    {"__gc", l_hits_gc},
    {NULL, NULL},
};

void bind_hits_open(lua_State *L)
{
    struct vm *vm = vm_of(L);

    core_new_class(L, BIND_HITS, hits_methods);
    lua_pushlightuserdata(L, (void *)(size_t)&all_kept);
    lua_newtable(L);
    lua_rawset(L, LUA_REGISTRYINDEX);
    if (vm)
        vm_on_short(vm, forget_all);
}

const luaL_Reg bind_hits[] = {
    {"hits", l_hits},
    {NULL, NULL},
};
