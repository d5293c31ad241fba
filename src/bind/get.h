/* SPDX-License-Identifier: MIT */
/* get.h - a get in a getter that no reader has answered. The VM's thread. */
#ifndef GET_H
#define GET_H

#include <lua.h>
#include <stdint.h>

struct group;
struct strand;

struct get_asked {
    struct group *group; /* borrowed */
    uint64_t timeout_ms; /* of this caller alone; 0: none */
    int missed;          /* 1: a look has just missed, and was counted */
    int full;            /* 1: a table with the value and its extras */
};

/* Pushes what a get of the string at `key` returns: value, nil, source; or nil, message, code.
 * Returns their number. Or yields the strand, which may wait here, and the results follow when it
 * is resumed: the C function that Lua has called returns at once what this returns. Raises. */
int get_ask(lua_State *L, struct strand *s, int key, const struct get_asked *asked);

#endif
