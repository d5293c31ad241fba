/* SPDX-License-Identifier: MIT */
/* bind.h - the thin C API: what the files of bind/ give to require "groupcache.core" (open.h).
 *
 * Every function that Lua calls has three parts: check the arguments (may raise), call C that
 * cannot throw, push the results. No C resource is live across a call that may raise unless a
 * userdata owns it. A failure at run time is nil, message, code; misuse raises.
 *
 * One file a subject: open.c opens the module, core.c is what all others stand on, which.c says
 * which group a call is about, handle.c what a program gets at a group through. group.c defines and
 * asks groups, hits.c asks them for what is there, io.c waits for HTTP and time, loop.c is for the
 * Lua side of other event loops, library.c asks groups from a program of its own, node.c runs
 * nodes, child.c commands; many.c asks for many keys, change.c sets and removes, peek.c looks, each
 * for getters and for programs; encode.c and decode.c are between values and bytes. */
#ifndef BIND_H
#define BIND_H

#include <lua.h>

#include <lauxlib.h>

struct node;

/* The functions of each file, ended by NULL. */
extern const luaL_Reg bind_child[], bind_core[], bind_group[], bind_io[], bind_library[],
    bind_loop[], bind_node[], bind_many[], bind_change[], bind_peek[], bind_hits[], bind_encode[],
    bind_decode[];

/* The metatable of a node, and the node at that index, not closed. Raises. */
#define BIND_NODE "groupcache.node"
struct node *bind_node_check(lua_State *L, int index);

/* Make the metatables of each file's userdata. */
void bind_core_open(lua_State *L);
void bind_child_open(lua_State *L);
void bind_handle_open(lua_State *L);
void bind_node_open(lua_State *L);
void bind_library_open(lua_State *L);
void bind_loop_open(lua_State *L);
void bind_hits_open(lua_State *L);

#endif
