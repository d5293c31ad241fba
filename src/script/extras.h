/* SPDX-License-Identifier: MIT */
/* extras.h - the headers of a value, as a script sees them. The VM's thread. */
#ifndef EXTRAS_H
#define EXTRAS_H

#include <stddef.h>

struct lua_State;

/* Sets `headers` of the table on top to the headers in those extras: texts by lower-case name, a
 * list for a header on several lines. A content type becomes `content_type`. Raises without memory.
 */
void extras_set(struct lua_State *L, const char *extra, size_t n);

#endif
