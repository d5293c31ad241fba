/* SPDX-License-Identifier: MIT */
/* headers.h - the headers of an answer, on their way from the network thread to Lua. */
#ifndef HEADERS_H
#define HEADERS_H

#include <lua.h>

struct buf;
struct fetch;

/* Network thread, in done(): appends them as name, NUL, value, NUL. Without those about the encoded
 * bytes if the body was decoded. */
void headers_keep(struct buf *to, struct fetch *f);

/* Pushes a table, lower-case name -> value; a repeated header has its values joined by ", ". May
 * raise. */
void headers_push(lua_State *L, const struct buf *b);

/* Pushes them as a list of names and values in turn, as they came. */
void headers_push_list(lua_State *L, const struct buf *b);

#endif
