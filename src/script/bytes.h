/* SPDX-License-Identifier: MIT */
/* bytes.h - bytes of C memory as a Lua value: the body of an HTTP answer that a getter may return
 * in place of a string. A large value so lies neither in the VM's heap nor in memory twice.
 *
 * In Lua: #bytes, tostring(bytes), bytes:sub(i, j). A VM's thread. */
#ifndef BYTES_H
#define BYTES_H

#include "base/buf.h"

struct luaL_Reg;
struct lua_State;

/* The class, for core_new_class(). */
#define BYTES_CLASS "groupcache.bytes"
const struct luaL_Reg *bytes_methods(void);

/* Pushes a value that takes the content of the buffer, which is empty then. May collect garbage.
 * Raises, and the buffer stays as it was. */
void bytes_push(struct lua_State *L, struct buf *from);

/* The buffer of the value at that index, owned by it. If it has failed, its bytes are the value of
 * a key since a getter returned it. NULL: another value is there. Raises nothing, allocates nothing
 * in the VM. */
struct buf *bytes_at(struct lua_State *L, int index);

#endif
