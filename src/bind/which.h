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

/* The group that argument 1 is about, with a reference, so this comes last of all that may raise:
 * by name in a VM of a node, where `what` is the caller's name for messages, by handle in a
 * program. changes, which may be NULL, is set to how it is changed: NULL, a group alone. */
struct group *which_group(lua_State *L, const char *what, struct changes **changes);

#endif
