/* SPDX-License-Identifier: MIT */
/* hits.c - group:get inside a getter; most gets are hits, without an op and without the group's
 * mutex.
 *
 * Each group object has a function of its own, whose upvalues are what a hit needs. The first get
 * makes a reader of the group in that VM. Beside each item that the reader remembers, the strings
 * of its key and its value are kept, at the item's place, in tables of CHUNK places. The tables of
 * values are at 1, 2 and so on in a table, those of keys at -1, -2. So a hit makes no string, and a
 * key that is made anew has the address that the reader knows. While the string is kept, no other
 * value has this address, so neither the key nor the item is read (reader_hold()).
 *
 * Kept strings count against the VM's bound. So strings are kept only while there is much room
 * (vm_may_keep()), and all are dropped before the VM collects for want of room. A string that is
 * not there is made anew, and no get depends on that. */
#include "bind/bind.h"

#include <lauxlib.h>
#include <lua.h>
#include <string.h>

#include "bind/core.h"
#include "bind/get.h"
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
    CHUNK = 1024,   /* places in a table: the collector visits a whole table in one step */
    CLEAR_AT = 64,  /* copies of no use, at which */
    CLEAR_STEP = 16 /* some are cleared */
};

/* Places on the stack of get(): its arguments, then what it needs for more than a kept hit. */
enum { SELF = 1, KEY, GIVEN, HITS = 3, KEPT };

/* Upvalues of get(). */
enum {
    UP_HITS = 1, /* nil until the first get, like the next two */
    UP_KEPT,
    UP_FIRST, /* the first table of values: few keys are the most frequent case */
    UP_MAIN,  /* the name of SOURCE_MAIN */
    UP_SELF,  /* the group object: no other has its address */
    UP_CHECK_KEY,
    UP_GET_TIMEOUT,
    UP_COUNT = UP_GET_TIMEOUT
};

/* Its environment is the table of kept strings. */
struct hits {
    struct vm *vm;         /* borrowed: it owns the state */
    struct reader *reader; /* NULL once collected */
    const void *self;      /* the address of the group object */
    size_t bytes_at;       /* where a string has its bytes, from its address on */
    unsigned age;          /* the reader's, when the strings were kept */
    int pushing;           /* a value is pushed: finalizers must not use the reader */
};

static const char all_hits; /* its address is the key of a weak table in the registry: all hits */

static int l_hits_gc(lua_State *L)
{
    struct hits *h = luaL_checkudata(L, 1, BIND_HITS);

    reader_free(h->reader);
    h->reader = NULL;
    return 0;
}

/* --- kept strings: `kept` is where the stack has their table --- */

/* Makes all fields nil of the table on top of the stack. Never raises: the fields exist. */
static void clear(lua_State *L)
{
    int table = lua_gettop(L);

    for (lua_pushnil(L); lua_next(L, table);) {
        lua_pop(L, 1);
        lua_pushvalue(L, -1);
        lua_pushnil(L);
        lua_rawset(L, table);
    }
}

/* Drops all strings of a reader. The first table of values stays: it is in an upvalue. Never
 * raises. */
static void forget(lua_State *L, const struct hits *h, int kept)
{
    int top = lua_gettop(L);

    reader_hold_none(h->reader);
    lua_rawgeti(L, kept, 1);
    clear(L);
    lua_pushvalue(L, kept);
    clear(L);
    lua_pushvalue(L, top + 1);
    lua_rawseti(L, kept, 1);
    lua_settop(L, top);
}

/* The same of all readers of the VM. Takes few enough places of the stack to need no check. */
static void forget_all(lua_State *L)
{
    int list = lua_gettop(L) + 1;

    lua_pushlightuserdata(L, (void *)(size_t)&all_hits);
    lua_rawget(L, LUA_REGISTRYINDEX);
    for (lua_pushnil(L); lua_next(L, list);) {
        const struct hits *h = lua_touserdata(L, list + 1);

        lua_settop(L, list + 1);
        lua_getfenv(L, list + 1);
        if (h->reader)
            forget(L, h, list + 2);
        lua_settop(L, list + 1);
    }
    lua_settop(L, list - 1);
}

/* Where the table of a place is in that of kept strings; of its key, the same below 0. */
static int table_of(int place)
{
    return place / CHUNK + 1;
}

/* Pushes what is at a place of a table, or nil; and the table, or nil, below it. */
static int push_at(lua_State *L, int table, int place)
{
    lua_rawgeti(L, KEPT, table);
    if (lua_isnil(L, -1))
        lua_pushnil(L);
    else
        lua_rawgeti(L, -1, place % CHUNK + 1);
    return !lua_isnil(L, -1);
}

static void put(lua_State *L, int table, int place, int value)
{
    int top = lua_gettop(L);

    lua_rawgeti(L, KEPT, table);
    if (lua_isnil(L, -1)) {
        lua_newtable(L);
        lua_pushvalue(L, -1);
        lua_rawseti(L, KEPT, table);
    }
    lua_pushvalue(L, value);
    lua_rawseti(L, -2, place % CHUNK + 1);
    lua_settop(L, top);
}

/* Never raises. */
static void take_out(lua_State *L, int table, int place)
{
    int top = lua_gettop(L);

    if (push_at(L, table, place)) {
        lua_pushnil(L);
        lua_rawseti(L, top + 1, place % CHUNK + 1);
    }
    lua_settop(L, top);
}

/* Keeps the value on top of the stack, and its key, or clears the place if there is no room. */
static void keep(lua_State *L, const struct hits *h, int place, size_t n)
{
    if (vm_may_keep(h->vm, n)) {
        put(L, table_of(place), place, lua_gettop(L));
        put(L, -table_of(place), place, KEY);
        reader_hold(h->reader, lua_tostring(L, -1) - sizeof(int)); /* its length is there */
    } else {
        take_out(L, table_of(place), place);
        take_out(L, -table_of(place), place);
    }
}

/* Drops the strings of some items that are not remembered any more. */
static void clear_some(lua_State *L, const struct hits *h)
{
    int i;

    for (i = 0; i < CLEAR_STEP; i++) {
        int place = reader_take_left(h->reader);

        if (place < 0)
            return;
        take_out(L, table_of(place), place);
        take_out(L, -table_of(place), place);
    }
}

/* If this raises for want of memory, `pushing` stays set, and no get asks the reader from then on.
 */
static void push_made(lua_State *L, struct hits *h, const struct recalled *found)
{
    size_t n = found->item->value_len;

    h->pushing = 1;
    vm_make_room(h->vm, n);
    if (h->age != reader_age(h->reader)) { /* all slots were emptied */
        forget(L, h, KEPT);
        h->age = reader_age(h->reader);
    }
    lua_pushlstring(L, item_value(found->item), n);
    if (found->place >= 0)
        keep(L, h, found->place, n);
    h->pushing = 0;
    reader_let_go(h->reader);
}

/* --- the first get --- */

/* Notes the hits on top of the stack for forget_all(). */
static void note_hits(lua_State *L)
{
    lua_pushlightuserdata(L, (void *)(size_t)&all_hits);
    lua_rawget(L, LUA_REGISTRYINDEX);
    lua_pushvalue(L, -2);
    lua_pushboolean(L, 1);
    lua_rawset(L, -3);
    lua_pop(L, 1);
}

/* (name, hits of that name that were used before, or nil) -> hits. They are the same, unless the
 * node has another group of that name since. Raises if it has none. */
static int l_open(lua_State *L)
{
    struct hits *h = lua_touserdata(L, 2);
    struct group *g = which_group(L, "group:get", NULL);
    int same = h && reader_group(h->reader) == g;

    group_unref(g); /* the node holds it, and no other code of this VM runs until reader_new() */
    if (same)
        return 1;
    h = lua_newuserdata(L, sizeof(*h));
    memset(h, 0, sizeof(*h));
    luaL_getmetatable(L, BIND_HITS);
    lua_setmetatable(L, -2);
    lua_newtable(L);
    lua_newtable(L);
    lua_rawseti(L, -2, 1);
    lua_setfenv(L, -2);
    note_hits(L);
    g = which_group(L, "group:get", NULL);
    h->vm = vm_of(L);
    h->bytes_at = (size_t)(lua_tostring(L, 1) - (const char *)lua_topointer(L, 1));
    h->reader = reader_new(g, 1);
    h->age = reader_age(h->reader);
    group_unref(g);
    return 1;
}

/* Whether the object is the group whose get() this is, or has it as its __index. */
static int is_own(lua_State *L)
{
    int same;

    if (lua_topointer(L, SELF) == lua_topointer(L, lua_upvalueindex(UP_SELF)))
        return 1;
    if (lua_istable(L, SELF))
        lua_getfield(L, SELF, "name");
    if (lua_type(L, -1) != LUA_TSTRING || !lua_istable(L, SELF))
        luaL_error(L, "group:get: called for a %s, and must be for a group",
                   luaL_typename(L, SELF));
    lua_getfield(L, lua_upvalueindex(UP_SELF), "name");
    same = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return same;
}

/* Puts the hits of the group object and their table where the stack has them. */
static struct hits *push_hits(lua_State *L)
{
    int own = is_own(L);
    struct hits *h = own ? lua_touserdata(L, lua_upvalueindex(UP_HITS)) : NULL;

    lua_settop(L, KEY);
    if (h && !group_is_closed(reader_group(h->reader))) {
        lua_pushvalue(L, lua_upvalueindex(UP_HITS));
        lua_pushvalue(L, lua_upvalueindex(UP_KEPT));
        return h;
    }
    lua_pushcfunction(L, l_open);
    lua_getfield(L, SELF, "name");
    if (h)
        lua_pushvalue(L, lua_upvalueindex(UP_HITS));
    else
        lua_pushnil(L);
    lua_call(L, 2, 1);
    lua_getfenv(L, HITS);
    h = lua_touserdata(L, HITS);
    if (!own)
        return h;
    h->self = lua_topointer(L, lua_upvalueindex(UP_SELF));
    lua_pushvalue(L, HITS);
    lua_replace(L, lua_upvalueindex(UP_HITS));
    lua_pushvalue(L, KEPT);
    lua_replace(L, lua_upvalueindex(UP_KEPT));
    lua_rawgeti(L, KEPT, 1);
    lua_replace(L, lua_upvalueindex(UP_FIRST));
    return h;
}

/* --- group:get --- */

/* Raises at the caller's line if the key is no string, through Lua's own function. */
static void check_key(lua_State *L)
{
    if (lua_type(L, KEY) == LUA_TSTRING)
        return;
    lua_pushvalue(L, lua_upvalueindex(UP_CHECK_KEY));
    lua_pushvalue(L, KEY);
    lua_pushliteral(L, "group:get");
    lua_call(L, 2, 0);
}

/* The same of the options. */
static void check_given(lua_State *L, struct get_asked *asked)
{
    if (lua_isnoneornil(L, GIVEN))
        return;
    lua_pushvalue(L, lua_upvalueindex(UP_GET_TIMEOUT));
    lua_pushvalue(L, GIVEN);
    lua_pushliteral(L, "group:get");
    lua_call(L, 2, 2);
    asked->timeout_ms = (uint64_t)lua_tonumber(L, -2);
    asked->full = lua_toboolean(L, -1);
}

/* Pushes the results of a hit. 0: a miss, which was counted. */
static int recall(lua_State *L, struct hits *h)
{
    struct recalled found;
    enum hit hit;
    const char *key;
    size_t n;

    key = lua_tolstring(L, KEY, &n);
    hit = reader_recall(h->reader, key, n, &found);
    if (hit == HIT_NONE || !item_is_value(found.item)) /* get_ask() says why */
        return 0;
    if (hit == HIT_OTHER || !push_at(L, table_of(found.place), found.place))
        push_made(L, h, &found);
    if (hit == HIT_OTHER || reader_left(h->reader) >= CLEAR_AT)
        clear_some(L, h);
    return core_source(L, found.source);
}

/* A get that is no hit of a kept string. */
static int ask(lua_State *L)
{
    struct get_asked asked = {0};
    struct strand *s;
    struct hits *h;
    int n;

    lua_settop(L, GIVEN);
    check_key(L);
    check_given(L, &asked);
    s = check_to_wait_here(L, "group:get"); /* whether a get raises does not depend on the cache */
    h = push_hits(L);
    asked.group = reader_group(h->reader);
    if (!asked.full && !h->pushing && !group_is_closed(asked.group)) {
        n = recall(L, h);
        if (n)
            return n;
        asked.missed = 1;
    }
    return get_ask(L, s, KEY, &asked);
}

/* get(self, key, options or nil) -> value, nil, source | nil, message, code. No code of getters
 * runs more often, so a hit calls as few functions as it can. */
static int l_get(lua_State *L)
{
    const struct hits *h = lua_touserdata(L, lua_upvalueindex(UP_HITS));
    int place;

    if (!h || lua_topointer(L, SELF) != h->self || !lua_isnoneornil(L, GIVEN) ||
        !check_may_wait(h->vm, L))
        return ask(L);
    place = reader_recall_held(h->reader, (const char *)lua_topointer(L, KEY) + h->bytes_at);
    if (place < 0)
        return ask(L);
    if (place < CHUNK) {
        lua_rawgeti(L, lua_upvalueindex(UP_FIRST), place + 1);
    } else {
        lua_rawgeti(L, lua_upvalueindex(UP_KEPT), table_of(place));
        lua_rawgeti(L, -1, place % CHUNK + 1);
    }
    lua_pushnil(L);
    lua_pushvalue(L, lua_upvalueindex(UP_MAIN));
    return 3;
}

/* core.getter(group object, check_key, get_timeout) -> its function get. The others are those of
 * options.lua, which raise at the line of get's caller. */
static int l_getter(lua_State *L)
{
    int up;

    lua_settop(L, 3);
    for (up = UP_HITS; up <= UP_FIRST; up++)
        lua_pushnil(L);
    lua_pushstring(L, source_name(SOURCE_MAIN));
    for (up = 1; up <= 3; up++)
        lua_pushvalue(L, up);
    lua_pushcclosure(L, l_get, UP_COUNT);
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
    lua_pushlightuserdata(L, (void *)(size_t)&all_hits);
    lua_newtable(L);
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "k");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
    lua_rawset(L, LUA_REGISTRYINDEX);
    if (vm)
        vm_on_short(vm, forget_all);
}

const luaL_Reg bind_hits[] = {
    {"getter", l_getter},
    {NULL, NULL},
};
