/* SPDX-License-Identifier: MIT */
/* which.h - which group, and which VM, a call is about. */
#ifndef WHICH_H
#define WHICH_H

#include <lua.h>

struct changes;
struct group;
struct vm;

/* The VM of a node; `what` is the caller's name for messages. Raises in a program. */
struct vm *which_vm(lua_State *L, const char *what);

/* The group of argument 1: a name in a VM of a node, a handle in a program. `what` is the caller's
 * name for messages. Takes a reference, so it comes after all other calls that may raise. *changes
 * is set to the group's changes, or NULL for a group alone; changes may be NULL. */
struct group *which_group(lua_State *L, const char *what, struct changes **changes);

#endif
