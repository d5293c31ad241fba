/* SPDX-License-Identifier: MIT */
/* exchange.h - the request table of http.request, as groupcache/http.lua makes it, for the network
 * thread. */
#ifndef EXCHANGE_H
#define EXCHANGE_H

#include <lua.h>

#include "base/traceparent.h"
#include "net/fetch.h"

enum { EXCHANGE_HEADERS = 100 };

/* The strings stay on the Lua stack, or in the table, while it is used. */
struct exchange {
    struct fetch_opts opts;
    const char *who; /* the Lua function, a literal: messages name it */
    const char *headers[EXCHANGE_HEADERS + 2];
    char trace[TRACEPARENT_LINES]; /* the headers of the trace that the getter's load belongs to */
};

/* Fills r from the table at index 1; raises for what is wrong, in the name of `who`. A getter runs.
 * The caller sets the functions of r->opts. */
void exchange_check(lua_State *L, const char *who, struct exchange *r);

#endif
