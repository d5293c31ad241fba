/* SPDX-License-Identifier: MIT */
/* bytes.h - bytes of C memory as a Lua value: the body of an HTTP answer that a getter may return
 * in place of a string. A large value so lies neither in the VM's heap nor in memory twice.
 *
 * In Lua: #bytes, tostring(bytes), bytes:sub(i, j). A VM's thread. */
#ifndef BYTES_H
#define BYTES_H

#include "base/buf.h"

struct lua_State;

/* Makes the metatable. Raises. */
void bytes_open(struct lua_State *L);

/* Pushes a value that owns the content of the buffer returned, which is empty. Raises. */
struct buf *bytes_new(struct lua_State *L);

/* The buffer of the value at that index, owned by it. If it has failed, its bytes are the value of
 * a key since a getter returned it. NULL: another value is there. Raises nothing, allocates nothing
 * in the VM. */
struct buf *bytes_at(struct lua_State *L, int index);

#endif
