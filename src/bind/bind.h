/* SPDX-License-Identifier: MIT */
/* bind.h - the thin C API: the files of bind/ together are "groupcache.core" (open.h).
 *
 * Every function that Lua calls has three parts: check the arguments (may raise), call C that
 * cannot throw, push the results. No C resource is live across a call that may raise unless a
 * userdata owns it. A failure at run time is nil, message, code; misuse raises.
 *
 * One file a subject. open.c opens the module. core.c has what all others use. which.c finds the
 * group of a call. handle.c has a program's handles. group.c defines groups. background.c
 * defines background functions. hits.c asks groups in getters, get.c if that is no hit. io.c waits
 * for HTTP and time. loop.c serves the Lua side of other event loops. library.c asks groups from a
 * program, pending.c without blocking it. node_script.c runs node scripts, node.c nodes, child.c
 * commands. client.c is the HTTP client of the command line. stream.c has exchanges whose answer is
 * read while it arrives. shared.c has tables of all VMs, constant.c tables that nobody changes.
 * discover.c and dns.c serve the sources of peers. many.c asks for many keys, change.c sets and
 * removes, peek.c looks: each for getters and for programs. value.c has what they get of an item.
 * encode.c and decode.c convert between values and bytes. */
#ifndef BIND_H
#define BIND_H

#include <lua.h>

#include <lauxlib.h>

struct node;

/* The functions of each file, ended by NULL. */
extern const luaL_Reg bind_client[], bind_child[], bind_core[], bind_group[], bind_io[],
    bind_library[], bind_loop[], bind_node[], bind_many[], bind_change[], bind_peek[], bind_hits[],
    bind_encode[], bind_decode[], bind_background[], bind_node_script[], bind_stream[],
    bind_discover[], bind_dns[], bind_pending[], bind_spans[], bind_shared[], bind_constant[];

/* The metatable of a node; the node at that index, which is not closed. Raises. */
#define BIND_NODE "groupcache.node"
struct node *bind_node_check(lua_State *L, int index);

/* Make the metatables of each file's userdata. */
void bind_constant_open(lua_State *L);
void bind_core_open(lua_State *L);
void bind_child_open(lua_State *L);
void bind_client_open(lua_State *L);
void bind_handle_open(lua_State *L);
void bind_node_script_open(lua_State *L);
void bind_node_open(lua_State *L);
void bind_library_open(lua_State *L);
void bind_loop_open(lua_State *L);
void bind_hits_open(lua_State *L);
void bind_stream_open(lua_State *L);
void bind_pending_open(lua_State *L);

#endif
