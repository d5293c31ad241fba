/* SPDX-License-Identifier: MIT */
/* client.c - the HTTP client of groupcached's own commands, which run without a node: a network
 * thread, and exchanges that block the caller. */
#include "bind/bind.h"

#include <string.h>

#include "base/gate.h"
#include "base/mem.h"
#include "bind/core.h"
#include "bind/headers.h"
#include "net/fetch.h"
#include "net/net.h"

#define BIND_CLIENT "groupcache.client"

enum { MAX_HEADERS = 16, MAX_ANSWER = 1 << 30 };

struct client {
    struct net *net;
    struct gate gate;
    struct error err;
    int status;
    struct buf body, headers;
};

/* core.client() -> client | nil, message, code */
static int l_client(lua_State *L)
{
    const struct net_opts opts = {.max_host_connections = 256};
    struct client *c = lua_newuserdata(L, sizeof(*c));
    struct error e;

    memset(c, 0, sizeof(*c));
    buf_init(&c->body, 0);
    buf_init(&c->headers, 0);
    luaL_getmetatable(L, BIND_CLIENT);
    lua_setmetatable(L, -2);
    c->net = net_start(&opts, &e);
    return c->net ? 1 : core_error(L, &e);
}

static int l_client_gc(lua_State *L)
{
    struct client *c = luaL_checkudata(L, 1, BIND_CLIENT);

    net_stop(c->net);
    c->net = NULL;
    buf_deinit(&c->body);
    buf_deinit(&c->headers);
    return 0;
}

/* Network thread. */
static void client_done(void *ctx, struct fetch *f)
{
    struct client *c = ctx;
    struct buf *body = fetch_body(f);

    c->err = *fetch_error(f);
    c->status = fetch_status(f);
    c->body.data = buf_take(body, &c->body.len);
    headers_keep(&c->headers, f);
    gate_open(&c->gate);
}

/* A field of the request on index 2; the table holds the text. */
static const char *text_field(lua_State *L, const char *name, size_t *n)
{
    const char *text;

    lua_getfield(L, 2, name);
    text = luaL_optlstring(L, -1, NULL, n);
    lua_pop(L, 1);
    return text;
}

static size_t check_headers(lua_State *L, const char *headers[MAX_HEADERS])
{
    size_t n = 0;

    lua_getfield(L, 2, "headers");
    while (lua_istable(L, -1) && n < MAX_HEADERS) {
        lua_rawgeti(L, -1, (int)n + 1);
        headers[n] = lua_tostring(L, -1); /* the list holds it */
        lua_pop(L, 1);
        if (!headers[n])
            break;
        n++;
    }
    lua_pop(L, 1);
    return n;
}

static void exchange(struct client *c, const struct fetch_opts *o)
{
    struct fetch *f;

    buf_deinit(&c->body);
    buf_reset(&c->headers);
    gate_init(&c->gate);
    f = fetch_start(c->net, o, &c->err);
    if (f)
        gate_wait(&c->gate, GATE_FOR_EVER);
    fetch_unref(f);
    gate_deinit(&c->gate);
}

/* client:exchange{ url =, method =, headers = { lines }, body =, timeout_ms =, ca_file =, insecure
 * = }
 * -> { status =, headers =, body = } | nil, message, code, 1 if no answer came */
static int l_client_exchange(lua_State *L)
{
    struct client *c = luaL_checkudata(L, 1, BIND_CLIENT);
    const char *headers[MAX_HEADERS];
    struct fetch_opts o = {.headers = headers, .max_bytes = MAX_ANSWER, .decode = 1};

    luaL_checktype(L, 2, LUA_TTABLE);
    o.url = text_field(L, "url", NULL);
    o.method = text_field(L, "method", NULL);
    o.ca_file = text_field(L, "ca_file", NULL);
    o.body = text_field(L, "body", &o.body_len);
    o.n_headers = check_headers(L, headers);
    lua_getfield(L, 2, "timeout_ms");
    o.timeout_ms = (uint64_t)luaL_optnumber(L, -1, 10000);
    lua_getfield(L, 2, "insecure");
    o.insecure = lua_toboolean(L, -1);
    o.done = client_done;
    o.ctx = c;

    exchange(c, &o);
    if (c->err.code) {
        core_error(L, &c->err);
        lua_pushboolean(L, 1);
        return 4;
    }
    lua_createtable(L, 0, 3);
    lua_pushinteger(L, c->status);
    lua_setfield(L, -2, "status");
    lua_pushlstring(L, c->body.data ? c->body.data : "", c->body.len);
    lua_setfield(L, -2, "body");
    headers_push(L, &c->headers);
    lua_setfield(L, -2, "headers");
    return 1;
}

static const luaL_Reg methods[] = {
    {"exchange", l_client_exchange},
    {"__gc", l_client_gc},
    {NULL, NULL},
};

const luaL_Reg bind_client[] = {{"client", l_client}, {NULL, NULL}};

void bind_client_open(lua_State *L)
{
    core_new_class(L, BIND_CLIENT, methods);
}
