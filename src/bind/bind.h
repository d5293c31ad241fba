/* SPDX-License-Identifier: MIT */
/* bind.h - the thin C API: what require "groupcache.core" returns.
 *
 * Every function that Lua calls has three parts: check the arguments (may raise), call C that
 * cannot throw, push the results. No C resource is live across a call that may raise unless a
 * userdata owns it. A failure at run time is nil, message, code; misuse raises.
 *
 * One file a subject: core.c opens and holds what all share, group.c defines and asks groups, io.c
 * waits for HTTP and time, loop.c is for the Lua side of other event loops, library.c asks groups
 * from a program of its own, node.c runs nodes. */
#ifndef BIND_H
#define BIND_H

#include <lua.h>

#include <lauxlib.h>

#include "base/err.h"

struct group_opts;
struct node;
struct op;

/* Opens the module in any state: the main program's or a VM's. Leaves its table on the stack. */
int luaopen_groupcache_core(lua_State *L);

/* The functions of each file, ended by NULL. */
extern const luaL_Reg bind_group[], bind_io[], bind_library[], bind_loop[], bind_node[];

/* Metatables: made once per state by luaopen_groupcache_core(). */
#define BIND_OP "groupcache.op"
#define BIND_SCRIPT "groupcache.script"
#define BIND_NODE "groupcache.node"

/* Pushes nil, message, code and returns 3. */
int l_error(lua_State *L, const struct error *e);

/* Makes the userdata that will own an op's reference; *slot is NULL until it is set. Raises when
 * there is no memory, so it comes before the op. */
struct op **l_new_op(lua_State *L);

/* The op at that index, which is of that kind. Raises. */
struct op *l_check_op(lua_State *L, int index);

/* The node at that index, not closed. Raises. */
struct node *l_check_node(lua_State *L, int index);

/* The numbers of a group from the table at that index; absent ones have their defaults. Raises. */
void l_check_numbers(lua_State *L, int index, struct group_opts *out);

/* Makes the metatable of a userdata, with its methods as __index. */
void l_new_class(lua_State *L, const char *name, const luaL_Reg *methods);

/* A method of node.c's that library.c has. */
int l_node_handle(lua_State *L);

/* Make the metatables of each file's userdata. */
void bind_node_open(lua_State *L);
void bind_library_open(lua_State *L);
void bind_loop_open(lua_State *L);

#endif
