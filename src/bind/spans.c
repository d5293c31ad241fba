/* SPDX-License-Identifier: MIT */
/* spans.c - what the sender of spans needs (groupcache.trace). For the VM of a control worker whose
 * node runs. */
#include "bind/bind.h"

#include <lauxlib.h>
#include <lua.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/spans.h"
#include "bind/core.h"
#include "node/node.h"
#include "script/vm.h"
#include "wire/otlp.h"

enum { SPANS_AT_ONCE = 512 };

/* NULL: no node, or it keeps no spans. */
static struct spans *spans_of(lua_State *L, struct node **n)
{
    struct vm *vm = vm_of(L);

    *n = vm ? vm_node(vm) : NULL;
    return *n ? node_spans(*n) : NULL;
}

/* core.take_spans() -> a request for the collector as JSON, how many spans it has | nil: none wait
 */
static int l_take_spans(lua_State *L)
{
    struct buf *out = core_new_buf(L);
    struct span *list;
    struct spans *ss;
    struct node *n;
    size_t taken = 0;

    ss = spans_of(L, &n);
    list = ss ? mem_alloc(SPANS_AT_ONCE * sizeof(*list)) : NULL;
    if (list) {
        taken = spans_take(ss, list, SPANS_AT_ONCE);
        otlp_put(out, node_self(n), list, taken);
        mem_free(list);
    }
    if (taken && out->failed)
        spans_count(ss, 0, taken);
    if (!taken || out->failed)
        return 0;
    lua_pushlstring(L, out->data, out->len);
    lua_pushnumber(L, (double)taken);
    return 2;
}

/* core.count_spans(sent, dropped) */
static int l_count_spans(lua_State *L)
{
    uint64_t sent = (uint64_t)luaL_checknumber(L, 1), dropped = (uint64_t)luaL_checknumber(L, 2);
    struct node *n;
    struct spans *ss = spans_of(L, &n);

    if (ss)
        spans_count(ss, sent, dropped);
    return 0;
}

const luaL_Reg bind_spans[] = {
    {"count_spans", l_count_spans},
    {"take_spans", l_take_spans},
    {NULL, NULL},
};
