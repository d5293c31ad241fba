/* SPDX-License-Identifier: MIT */
/* value.h - what Lua gets of an item. */
#ifndef VALUE_H
#define VALUE_H

#include <lua.h>

#include "cache/source.h"

struct group;
struct item;

/* Pushes the item's bytes, nil, source, and returns 3. If the status of its answer is no value's,
 * it pushes nil, message, code. `full`: a table in place of the bytes, whatever the status. Raises.
 */
int value_push(lua_State *L, const struct group *g, struct item *it, enum source source, int full);

/* Pushes the table of value_push() alone, of an item that is not packed. Raises. */
void value_push_full(lua_State *L, struct item *it);

#endif
