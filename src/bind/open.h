/* SPDX-License-Identifier: MIT */
/* open.h - require "groupcache.core". */
#ifndef OPEN_H
#define OPEN_H

#include <lua.h>

/* Opens the module in any state: the main program's or a VM's. Leaves its table on the stack. */
int luaopen_groupcache_core(lua_State *L);

#endif
