/* SPDX-License-Identifier: MIT */
/* client.c - the HTTP client of groupcached's own commands, which run without a node: a network
 * thread, and one Lua thread that begins exchanges and takes their ends, in the order of the ends.
 */
#include "bind/bind.h"

#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "base/identity.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/signals.h"
#include "base/terminal.h"
#include "bind/core.h"
#include "bind/headers.h"
#include "net/fetch.h"
#include "net/net.h"

#define BIND_CLIENT "groupcache.client"

enum { MAX_HEADERS = 16, MAX_ANSWER = 1 << 30, MAX_CONNECTIONS = 256, USUAL_TIMEOUT_MS = 10000 };

struct client {
    struct net *net;
    pthread_mutex_t mu;
    pthread_cond_t changed;
    struct list ended; /* guarded by mu: exchange.link */
    unsigned open;     /* the Lua thread's: begun, and their ends not taken */
    double last_id;
    struct exchange *taken; /* its results are being pushed */
};

struct exchange {
    struct list link;
    struct client *client;
    double id;
    uint64_t began_ns, took_ns;
    struct error err;
    int status;
    struct buf body, headers;
};

static void exchange_free(struct exchange *x)
{
    if (!x)
        return;
    buf_deinit(&x->body);
    buf_deinit(&x->headers);
    mem_free(x);
}

/* core.client(cert, key) -> client | nil, message, code. The paths of a certificate and its key for
 * https, or nil. */
static int l_client(lua_State *L)
{
    const struct net_opts opts = {.max_host_connections = MAX_CONNECTIONS};
    const struct identity_paths paths = {luaL_optstring(L, 1, NULL), luaL_optstring(L, 2, NULL),
                                         NULL};
    struct client *c = lua_newuserdata(L, sizeof(*c));
    struct identity *id;
    struct error e;

    memset(c, 0, sizeof(*c));
    list_init(&c->ended);
    pthread_mutex_init(&c->mu, NULL);
    pthread_cond_init(&c->changed, NULL);
    luaL_getmetatable(L, BIND_CLIENT);
    lua_setmetatable(L, -2);
    id = identity_read(&paths, &e);
    if (!id)
        return core_error(L, &e);
    c->net = net_start(&opts, &e);
    if (c->net)
        net_show(c->net, id);
    identity_unref(id);
    return c->net ? 1 : core_error(L, &e);
}

/* The network thread ends all exchanges before it ends. */
static int l_client_gc(lua_State *L)
{
    struct client *c = luaL_checkudata(L, 1, BIND_CLIENT);
    struct list *l;

    net_stop(c->net);
    c->net = NULL;
    while ((l = list_pop_front(&c->ended)))
        exchange_free(list_entry(l, struct exchange, link));
    exchange_free(c->taken);
    c->taken = NULL;
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->mu);
    return 0;
}

static void put_ended(struct exchange *x)
{
    struct client *c = x->client;

    x->took_ns = clock_ns() - x->began_ns;
    pthread_mutex_lock(&c->mu);
    list_push_back(&c->ended, &x->link);
    pthread_cond_signal(&c->changed);
    pthread_mutex_unlock(&c->mu);
}

/* Network thread. */
static void client_done(void *ctx, struct fetch *f)
{
    struct exchange *x = ctx;
    struct buf *body = fetch_body(f);

    x->err = *fetch_error(f);
    x->status = fetch_status(f);
    x->body.data = buf_take(body, &x->body.len);
    headers_keep(&x->headers, f);
    put_ended(x);
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

static struct exchange *begin(struct client *c, struct fetch_opts *o)
{
    struct exchange *x = mem_zalloc(sizeof(*x));

    buf_init(&x->body, 0);
    buf_init(&x->headers, 0);
    x->client = c;
    x->id = ++c->last_id;
    x->began_ns = clock_ns();
    o->done = client_done;
    o->ctx = x;
    c->open++;
    return x;
}

/* client:begin{ url =, method =, headers = { lines }, body =, timeout_ms =, ca_file = } -> a
 * number. An exchange that cannot begin ends with its error. */
static int l_client_begin(lua_State *L)
{
    struct client *c = luaL_checkudata(L, 1, BIND_CLIENT);
    const char *headers[MAX_HEADERS];
    struct fetch_opts o = {.headers = headers, .max_bytes = MAX_ANSWER, .decode = 1, .identity = 1};
    struct exchange *x;
    struct fetch *f;
    struct error e;
    double id;

    luaL_checktype(L, 2, LUA_TTABLE);
    o.url = text_field(L, "url", NULL);
    o.method = text_field(L, "method", NULL);
    o.ca_file = text_field(L, "ca_file", NULL);
    o.body = text_field(L, "body", &o.body_len);
    o.n_headers = check_headers(L, headers);
    luaL_argcheck(L, o.url, 2, "the request has no url");
    lua_getfield(L, 2, "timeout_ms");
    o.timeout_ms = (uint64_t)luaL_optnumber(L, -1, USUAL_TIMEOUT_MS);

    x = begin(c, &o);
    id = x->id;
    f = fetch_start(c->net, &o, &e);
    if (f) {
        fetch_unref(f);
    } else {
        x->err = e;
        put_ended(x);
    }
    lua_pushnumber(L, id);
    return 1;
}

static struct exchange *take_ended(struct client *c)
{
    struct list *l;

    pthread_mutex_lock(&c->mu);
    while (list_empty(&c->ended))
        pthread_cond_wait(&c->changed, &c->mu);
    l = list_pop_front(&c->ended);
    pthread_mutex_unlock(&c->mu);
    c->open--;
    return list_entry(l, struct exchange, link);
}

static void push_answer(lua_State *L, const struct exchange *x)
{
    lua_createtable(L, 0, 3);
    lua_pushinteger(L, x->status);
    lua_setfield(L, -2, "status");
    lua_pushlstring(L, x->body.data ? x->body.data : "", x->body.len);
    lua_setfield(L, -2, "body");
    headers_push(L, &x->headers);
    lua_setfield(L, -2, "headers");
}

/* client:next() -> the number, the seconds that it took, then the answer { status =, headers =,
 * body = } or nil, message, code. Waits for the end of an exchange. Nothing when none is under way.
 */
static int l_client_next(lua_State *L)
{
    struct client *c = luaL_checkudata(L, 1, BIND_CLIENT);
    const struct exchange *x;

    exchange_free(c->taken);
    c->taken = NULL;
    if (!c->open)
        return 0;
    x = c->taken = take_ended(c); /* the client owns it: a push may raise */
    lua_pushnumber(L, x->id);
    lua_pushnumber(L, (double)x->took_ns / 1e9);
    if (x->err.code)
        return 2 + core_error(L, &x->err);
    push_answer(L, x);
    return 3;
}

static const luaL_Reg methods[] = {
    {"begin", l_client_begin},
    {"next", l_client_next},
    {"__gc", l_client_gc},
    {NULL, NULL},
};

/* core.terminal(take) -> true | nil, message, code. Takes the terminal for a live view, or gives it
 * back. A signal that ends groupcached gives it back, too. */
static int l_terminal(lua_State *L)
{
    struct error e;

    if (!lua_toboolean(L, 1)) {
        terminal_give_back();
    } else {
        signals_on_end(terminal_give_back);
        if (terminal_take(&e))
            return core_error(L, &e);
    }
    lua_pushboolean(L, 1);
    return 1;
}

const luaL_Reg bind_client[] = {{"client", l_client}, {"terminal", l_terminal}, {NULL, NULL}};

void bind_client_open(lua_State *L)
{
    core_new_class(L, BIND_CLIENT, methods);
}
