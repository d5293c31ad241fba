/* SPDX-License-Identifier: MIT */
/* many.h - the values of many keys as Lua tables. */
#ifndef MANY_H
#define MANY_H

#include <lua.h>

struct error;
struct group;
struct many;

/* Of the values of one get_many in a program. In a getter it is half of its VM's heap. */
enum { MANY_PROGRAM_BYTES = 256 << 20 };

/* Pushes two tables, values and errors, by the keys of the list at `keys`, which are those that m
 * was started with. `full`: each value is a table, as of value_push(). `late` is the error of a key
 * without an end. Raises. */
void many_push(lua_State *L, struct group *g, struct many *m, int keys, int full,
               const struct error *late);

/* No memory for n loads: pushes nil, message, code, and returns 3. */
int many_no_memory(lua_State *L, size_t n);

#endif
