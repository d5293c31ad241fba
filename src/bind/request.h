/* SPDX-License-Identifier: MIT */
/* request.h - the request table of http.request, as groupcache/http.lua makes it, for the network
 * thread. */
#ifndef REQUEST_H
#define REQUEST_H

#include <lua.h>

#include "net/fetch.h"

enum { REQUEST_HEADERS = 100 };

/* The strings stay on the Lua stack, or in the table, while it is used. */
struct request {
    struct fetch_opts opts;
    const char *headers[REQUEST_HEADERS];
};

/* Fills r from the table at index 1; raises for what is wrong. A getter runs. The caller sets the
 * functions of r->opts. */
void request_check(lua_State *L, struct request *r);

#endif
