/* SPDX-License-Identifier: MIT */
#include "script/results.h"

#include <lauxlib.h>
#include <lua.h>
#include <stddef.h>

struct pushing {
    const struct results *results;
    lua_State *co;
    int n;
};

void results_set(struct results *r, struct op *op, int (*push)(lua_State *L, struct op *op))
{
    r->push = push;
    r->op = op;
}

/* Protected. */
static int push_body(lua_State *L)
{
    struct pushing *p = lua_touserdata(L, 1);
    int n = p->results->push(L, p->results->op);

    if (!lua_checkstack(p->co, n))
        return luaL_error(L, "no room for results");
    lua_xmove(L, p->co, n);
    p->n = n;
    return 0;
}

int results_push(struct results *r, lua_State *L, lua_State *co, int *n)
{
    struct pushing p = {r, co, 0};
    int failed;

    if (!r->push)
        return 1;
    failed = lua_cpcall(L, push_body, &p);
    if (failed)
        lua_pop(L, 1);
    r->push = NULL;
    *n += p.n;
    return !failed;
}
