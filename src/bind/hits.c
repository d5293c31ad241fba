/* SPDX-License-Identifier: MIT */
/* hits.c - the hits of group:get inside a getter, without an op and without the group's mutex.
 *
 * If getters of a VM ask a group, the group has a reader in that VM. The Lua side keeps a function
 * whose userdata owns the reader. Each hit makes its string anew: kept strings would count against
 * the VM's bound, and VMs do not compile what they run. */
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
    MAX_ENTRY = 4096,  /* bytes of key and value: larger items are not remembered */
    MAX_BYTES = 262144 /* of all items that are remembered */
};

struct hits {
    struct vm *vm;         /* borrowed: it owns the state */
    struct reader *reader; /* NULL once collected */
    size_t bytes;          /* of items put into slots since all were emptied */
    int pushing;           /* a value is pushed: finalizers must not use the reader */
};

static int l_hits_gc(lua_State *L)
{
    struct hits *h = luaL_checkudata(L, 1, BIND_HITS);

    reader_free(h->reader);
    h->reader = NULL;
    return 0;
}

static void bound(struct hits *h, const struct recalled *found)
{
    size_t n = (size_t)found->item->key_len + found->item->value_len;

    if (n > MAX_ENTRY) {
        reader_forget(h->reader, found->slot);
        return;
    }
    h->bytes += n;
    if (h->bytes > MAX_BYTES) {
        h->bytes = 0;
        reader_forget_all(h->reader);
    }
}

/* If this raises for want of memory, `pushing` stays set, and getters use core.get() from then on.
 */
static void push_value(lua_State *L, struct hits *h, struct item *it)
{
    h->pushing = 1;
    vm_make_room(h->vm, it->value_len);
    lua_pushlstring(L, item_value(it), it->value_len);
    h->pushing = 0;
}

static int may_look(lua_State *L, const struct hits *h)
{
    return h->reader && !h->pushing && check_may_wait(h->vm, L) &&
           !group_is_closed(reader_group(h->reader));
}

/* hit(key) -> value, source | nil: a miss, which was counted | false: no look, call core.get().
 * Where code may not wait, core.get() raises, so a get raises there whether or not the key is
 * cached. */
static int l_hit(lua_State *L)
{
    struct hits *h = lua_touserdata(L, lua_upvalueindex(1));
    struct recalled found;
    enum hit hit;
    const char *key;
    size_t n;

    if (lua_type(L, 1) != LUA_TSTRING || !may_look(L, h)) {
        lua_pushboolean(L, 0);
        return 1;
    }
    key = lua_tolstring(L, 1, &n);
    hit = reader_recall(h->reader, key, n, &found);
    if (hit == HIT_NONE || !item_is_value(found.item)) { /* core.get() says why */
        lua_pushnil(L);
        return 1;
    }
    push_value(L, h, found.item);
    lua_pushvalue(L, lua_upvalueindex(2 + (int)found.source));
    if (hit == HIT_OTHER)
        bound(h, &found);
    return 2;
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
    for (source = 0; source < SOURCE_COUNT; source++)
        lua_pushstring(L, source_name((enum source)source));
    lua_pushcclosure(L, l_hit, 1 + SOURCE_COUNT);
    g = which_group(L, "group:get", NULL);
    h->vm = vm_of(L);
    h->reader = reader_new(g);
    group_unref(g);
    return 1;
}

static const luaL_Reg hits_methods[] = {
    {"__gc", l_hits_gc},
    {NULL, NULL},
};

void bind_hits_open(lua_State *L)
{
    core_new_class(L, BIND_HITS, hits_methods);
}

const luaL_Reg bind_hits[] = {
    {"hits", l_hits},
    {NULL, NULL},
};
