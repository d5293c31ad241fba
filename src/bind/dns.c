/* SPDX-License-Identifier: MIT */
/* dns.c - questions to name servers, for groupcache.discover.dns. */
#include "bind/bind.h"

#include <lauxlib.h>
#include <lua.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "bind/core.h"
#include "net/dns.h"
#include "script/check.h"
#include "script/op.h"
#include "script/vm.h"

/* A question that may outlive its op, whose waiter may be gone while a name server is silent. */
struct asked {
    pthread_mutex_t mu;
    unsigned refs;       /* guarded by mu, like the op: the op's and the thread's */
    struct dns_op *op;   /* NULL: nobody waits any more */
    struct dns_answer a; /* its own, once the op has ended */
};

struct dns_op {
    struct op op;
    struct asked *asked;
};

/* Under mu, which this drops. */
static void leave(struct asked *q)
{
    int last = --q->refs == 0;

    pthread_mutex_unlock(&q->mu);
    if (!last)
        return;
    pthread_mutex_destroy(&q->mu);
    mem_free(q->a.list);
    mem_free(q);
}

static void dns_op_free(struct op *op)
{
    struct dns_op *d = (struct dns_op *)(void *)op;

    if (d->asked) {
        pthread_mutex_lock(&d->asked->mu);
        leave(d->asked);
    }
    mem_free(d);
}

static void dns_op_cancel(struct op *op)
{
    struct asked *q = ((struct dns_op *)(void *)op)->asked;
    int waits;

    pthread_mutex_lock(&q->mu);
    waits = q->op != NULL;
    q->op = NULL;
    pthread_mutex_unlock(&q->mu);
    if (waits)
        op_drop(op);
}

static const struct op_kind dns_kind = {.cancel = dns_op_cancel, .free = dns_op_free};

/* The question's own thread. */
static void on_answer(void *ctx, struct dns_answer *a)
{
    struct asked *q = ctx;
    struct dns_op *op;

    pthread_mutex_lock(&q->mu);
    op = q->op;
    q->op = NULL;
    q->a = *a;
    a->list = NULL;
    leave(q);
    if (op)
        op_finish(&op->op);
}

static int text_field(lua_State *L, int index, char *out, size_t size)
{
    const char *text = luaL_optstring(L, index, "");

    return snprintf(out, size, "%s", text) < (int)size;
}

/* core.dns(name, "A" | "AAAA" | "SRV", server or nil) -> op | nil, message, code */
static int l_dns(lua_State *L)
{
    static const char *const names[] = {"A", "AAAA", "SRV", NULL};
    static const enum dns_type types[] = {DNS_A, DNS_AAAA, DNS_SRV};
    struct dns_question q = {.type = types[luaL_checkoption(L, 2, NULL, names)], .done = on_answer};
    struct op **slot = core_new_op(L);
    struct dns_op *d;
    struct error e;

    check_can_wait(L, "discover.dns");
    luaL_argcheck(L, text_field(L, 1, q.name, sizeof(q.name)), 1, "too long for a name");
    luaL_argcheck(L, text_field(L, 3, q.server, sizeof(q.server)), 3, "too long for an address");
    d = mem_zalloc(sizeof(*d));
    d->asked = mem_zalloc(sizeof(*d->asked));
    pthread_mutex_init(&d->asked->mu, NULL);
    d->asked->refs = 2;
    d->asked->op = d;
    op_init(&d->op, &dns_kind, vm_of(L));
    *slot = &d->op;
    q.ctx = d->asked;
    if (!dns_ask(&q, &e))
        return 1;
    pthread_mutex_lock(&d->asked->mu);
    d->asked->op = NULL;
    leave(d->asked); /* the thread's */
    op_drop(&d->op);
    return core_error(L, &e);
}

/* core.dns_result(op) -> list of { text =, ttl =, port = } | nil, message, code */
static int l_dns_result(lua_State *L)
{
    struct op *op = core_check_op(L, 1);
    const struct dns_answer *a = &((struct dns_op *)(void *)op)->asked->a;
    size_t i;

    luaL_argcheck(L, op->kind == &dns_kind && op->done, 1, "not a question that has ended");
    if (a->err.code)
        return core_error(L, &a->err);
    lua_createtable(L, (int)a->n, 0);
    for (i = 0; i < a->n; i++) {
        lua_createtable(L, 0, 3);
        lua_pushstring(L, a->list[i].text);
        lua_setfield(L, -2, "text");
        lua_pushnumber(L, a->list[i].ttl_s);
        lua_setfield(L, -2, "ttl");
        lua_pushinteger(L, a->list[i].port);
        lua_setfield(L, -2, "port");
        lua_rawseti(L, -2, (int)i + 1);
    }
    return 1;
}

const luaL_Reg bind_dns[] = {
    {"dns", l_dns},
    {"dns_result", l_dns_result},
    {NULL, NULL},
};
