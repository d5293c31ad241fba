/* SPDX-License-Identifier: MIT */
/* core.h - the floor of the Lua API: errors, ops, owners, arguments. */
#ifndef CORE_H
#define CORE_H

#include <lua.h>

#include <lauxlib.h>

#include "base/err.h"
#include "base/timers.h"
#include "cache/group.h"

struct buf;
struct op;

/* Pushes nil, message, code and returns 3. */
int core_error(lua_State *L, const struct error *e);

/* Pushes nil and the source, behind a value that was pushed, and returns 3. */
static inline int core_source(lua_State *L, enum source source)
{
    lua_pushnil(L);
    lua_pushstring(L, source_name(source));
    return 3;
}

/* Makes the userdata that will own an op's reference; *slot is NULL until it is set. To be called
 * before the op is made, since it raises without memory. */
struct op **core_new_op(lua_State *L);

/* The op at that index, which is of that kind. Raises. */
struct op *core_check_op(lua_State *L, int index);

/* Makes a userdata that owns the content of the slot, NULL at first. The collector calls release().
 * Raises. */
void **core_owner(lua_State *L, void (*release)(void *p));
void **core_item_owner(lua_State *L); /* of a reference to an item */

/* Makes a userdata that owns the bytes of an empty buf, such as while they are pushed. Raises. */
struct buf *core_new_buf(lua_State *L);

/* In a VM of a node: collects garbage when its bound leaves no room for that many bytes. */
void core_make_room(lua_State *L, size_t bytes);

/* The metatable of an empty table that is a list. */
#define CORE_LIST "groupcache.list"

/* The most levels of nested tables in an encoding. */
enum { CORE_MAX_DEPTH = 128 };

/* How long the caller of an op waits at most. Embedded in the op's own struct; VM's thread. */
struct patience {
    struct timer timer;
    struct op *op;               /* while the timer is set, a reference */
    uint64_t ms;                 /* the time it was set to */
    void (*over)(struct op *op); /* the time has passed */
};

void core_patience_begin(struct patience *p, struct op *op, uint64_t ms,
                         void (*over)(struct op *op));

/* Does nothing if no patience has begun. The caller has a reference to the op. */
void core_patience_end(struct patience *p);

/* The key that is the string at `index`, which holds the bytes. Raises. */
static inline struct key_ref core_check_key(lua_State *L, int index)
{
    size_t n;
    const char *key = luaL_checklstring(L, index, &n);

    return group_key(key, n);
}

/* The list of strings at `index`, which holds the bytes, as an array of *n that a userdata on the
 * stack owns. Raises. */
const struct key *core_check_keys(lua_State *L, int index, size_t *n);

/* The numbers of a group from the table at that index; absent ones have their defaults. Raises. */
void core_check_numbers(lua_State *L, int index, struct group_opts *out);

/* The function that opens the module in another state; open.c sets it. */
void core_set_opener(lua_State *L, lua_CFunction open);
lua_CFunction core_opener(lua_State *L);

/* Makes the metatable of a userdata, with its methods as __index. */
void core_new_class(lua_State *L, const char *name, const luaL_Reg *methods);

#endif
