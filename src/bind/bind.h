/* SPDX-License-Identifier: MIT */
/* bind.h - the thin C API: what require "groupcache.core" returns.
 *
 * Every function that Lua calls has three parts: check the arguments (may raise), call C that
 * cannot throw, push the results. No C resource is live across a call that may raise unless a
 * userdata owns it. A failure at run time is nil, message, code; misuse raises.
 *
 * One file a subject: core.c opens and holds what all share, group.c defines and asks groups,
 * hits.c asks them for what is there, io.c waits for HTTP and time, loop.c is for the Lua side of
 * other event loops, library.c asks groups from a program of its own, node.c runs nodes; many.c
 * asks for many keys, change.c sets and removes, peek.c looks, each for getters and for programs;
 * encode.c and decode.c are between values and bytes.
 */
#ifndef BIND_H
#define BIND_H

#include <lua.h>

#include <lauxlib.h>

#include "base/err.h"
#include "base/timers.h"

struct changes;
struct group;
struct group_opts;
struct key;
struct node;
struct op;

/* Opens the module in any state: the main program's or a VM's. Leaves its table on the stack. */
int luaopen_groupcache_core(lua_State *L);

/* The functions of each file, ended by NULL. */
extern const luaL_Reg bind_group[], bind_io[], bind_library[], bind_loop[], bind_node[],
    bind_many[], bind_change[], bind_peek[], bind_hits[], bind_encode[], bind_decode[];

/* Metatables: made once per state by luaopen_groupcache_core(). */
#define BIND_OP "groupcache.op"
#define BIND_SCRIPT "groupcache.script"
#define BIND_NODE "groupcache.node"
#define BIND_HANDLE "groupcache.handle"

#define BIND_LIST "groupcache.list" /* of a table that is a list though it is empty */

/* How deep tables are nested that have an encoding. */
enum { BIND_MAX_DEPTH = 128 };

/* Pushes nil, message, code and returns 3. */
int l_error(lua_State *L, const struct error *e);

/* Makes the userdata that will own an op's reference; *slot is NULL until it is set. Raises when
 * there is no memory, so it comes before the op. */
struct op **l_new_op(lua_State *L);

/* The op at that index, which is of that kind. Raises. */
struct op *l_check_op(lua_State *L, int index);

/* The node at that index, not closed. Raises. */
struct node *l_check_node(lua_State *L, int index);

/* Makes a userdata that will own what is put into the slot, NULL at first: its release() comes with
 * the collector. Raises. */
void **l_owner(lua_State *L, void (*release)(void *p));

/* In a VM of a node: collects garbage when its bound leaves no room for that many bytes. */
void l_make_room(lua_State *L, size_t bytes);

/* The group that argument 1 is about, with a reference, so this comes last of all that may raise:
 * by name in a VM of a node, where `what` is the caller's name for messages, by handle in a
 * program. changes, which may be NULL, is set to how it is changed: NULL, a group alone. */
struct group *l_group(lua_State *L, const char *what, struct changes **changes);

/* How long the caller of an op waits at most. Embedded in the op's own struct; a VM's thread. */
struct patience {
    struct timer timer;
    struct op *op;               /* while the timer is set, a reference */
    uint64_t ms;                 /* what it was set to */
    void (*over)(struct op *op); /* the time is over */
};

void patience_begin(struct patience *p, struct op *op, uint64_t ms, void (*over)(struct op *op));

/* Fine when none began. The caller has a reference to the op. */
void patience_end(struct patience *p);

/* The list of strings at `index`, which holds the bytes, as an array of *n that a userdata on the
 * stack owns. Raises. */
const struct key *l_check_keys(lua_State *L, int index, size_t *n);

/* The numbers of a group from the table at that index; absent ones have their defaults. Raises. */
void l_check_numbers(lua_State *L, int index, struct group_opts *out);

/* Makes the metatable of a userdata, with its methods as __index. */
void l_new_class(lua_State *L, const char *name, const luaL_Reg *methods);

/* A method of node.c's that library.c has. */
int l_node_handle(lua_State *L);

/* l_group() of a program's. */
struct group *l_handle_group(lua_State *L, struct changes **changes);

/* Make the metatables of each file's userdata. */
void bind_node_open(lua_State *L);
void bind_library_open(lua_State *L);
void bind_loop_open(lua_State *L);
void bind_hits_open(lua_State *L);

#endif
