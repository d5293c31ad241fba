/* SPDX-License-Identifier: MIT */
/* stream.c - http.stream: an exchange that gives the body of its answer while it arrives.
 *
 * The network thread appends bytes to the stream, and ends the op that waits for them. The stream
 * knows no VM: so an exchange that ends after its VM was closed does no harm. */
#include "bind/bind.h"

#include <lauxlib.h>
#include <lua.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "bind/core.h"
#include "bind/exchange.h"
#include "net/fetch.h"
#include "script/check.h"
#include "script/op.h"
#include "script/vm.h"

#define BIND_STREAM "groupcache.stream"

struct stream {
    atomic_uint refs;    /* the Lua value's, the exchange's, and one of each op */
    struct fetch *fetch; /* the VM's thread: a reference, or NULL */
    size_t max_bytes;    /* set once: of bytes that nobody has taken */
    struct spans *spans; /* set once */
    struct span span;    /* the network thread's, once the exchange has begun */
    pthread_mutex_t mu;
    struct buf got;          /* guarded by mu, like the rest */
    struct stream_op *waits; /* or NULL */
    int ended, status;
    struct error err; /* once it has ended */
};

/* The wait for more bytes, or for the end. */
struct stream_op {
    struct op op;
    struct stream *stream; /* a reference */
};

static void stream_unref(struct stream *s)
{
    if (!s || atomic_fetch_sub(&s->refs, 1) != 1)
        return;
    fetch_unref(s->fetch);
    buf_deinit(&s->got);
    pthread_mutex_destroy(&s->mu);
    mem_free(s);
}

static struct stream *stream_ref(struct stream *s)
{
    atomic_fetch_add(&s->refs, 1);
    return s;
}

/* --- the network thread --- */

/* Under mu: the op that waits is to be finished by the caller, without the lock; or NULL. */
static struct stream_op *take_waiter(struct stream *s)
{
    struct stream_op *w = s->waits;

    s->waits = NULL;
    return w;
}

static size_t on_data(void *ctx, const char *bytes, size_t n)
{
    struct stream *s = ctx;
    struct stream_op *w;
    int full;

    pthread_mutex_lock(&s->mu);
    s->status = 200;
    full = s->got.len + n > s->max_bytes || buf_put(&s->got, bytes, n);
    w = take_waiter(s);
    pthread_mutex_unlock(&s->mu);
    if (w)
        op_finish(&w->op);
    return full ? FETCH_NO_MORE : n;
}

static void on_done(void *ctx, struct fetch *fetch)
{
    struct stream *s = ctx;
    const struct buf *rest = fetch_body(fetch); /* of an answer with another status than 200 */
    struct stream_op *w;

    exchange_end(s->spans, &s->span, fetch);
    pthread_mutex_lock(&s->mu);
    s->ended = 1;
    s->err = *fetch_error(fetch);
    if (!s->err.code)
        s->status = fetch_status(fetch);
    buf_put(&s->got, rest->data ? rest->data : "", rest->len);
    w = take_waiter(s);
    pthread_mutex_unlock(&s->mu);
    if (w)
        op_finish(&w->op);
    stream_unref(s);
}

/* --- the op --- */

static void stream_op_free(struct op *op)
{
    stream_unref(((struct stream_op *)(void *)op)->stream);
    mem_free(op);
}

static void stream_op_cancel(struct op *op)
{
    struct stream *s = ((struct stream_op *)(void *)op)->stream;
    int waits;

    pthread_mutex_lock(&s->mu);
    waits = s->waits && &s->waits->op == op;
    if (waits)
        s->waits = NULL;
    pthread_mutex_unlock(&s->mu);
    if (waits)
        op_drop(op);
}

static const struct op_kind stream_kind = {.cancel = stream_op_cancel, .free = stream_op_free};

/* --- Lua --- */

static struct stream **check_stream(lua_State *L)
{
    struct stream **slot = luaL_checkudata(L, 1, BIND_STREAM);

    luaL_argcheck(L, *slot, 1, "this stream is closed");
    return slot;
}

/* core.stream(request) -> stream, its max_bytes | nil, message, code. The request is
 * http.request's. */
static int l_stream(lua_State *L)
{
    struct stream **slot, *s;
    struct exchange r;
    struct error e;

    check_can_wait(L, "http.stream");
    exchange_check(L, "http.stream", &r);
    slot = lua_newuserdata(L, sizeof(struct stream *));
    *slot = NULL;
    luaL_getmetatable(L, BIND_STREAM);
    lua_setmetatable(L, -2);
    s = mem_zalloc(sizeof(*s));
    atomic_init(&s->refs, 2);
    pthread_mutex_init(&s->mu, NULL);
    buf_init(&s->got, 0);
    s->max_bytes = r.opts.max_bytes;
    *slot = s;
    r.opts.decode = 0;
    r.opts.data = on_data;
    r.opts.flaw = "more bytes of the stream wait than max_bytes";
    r.opts.done = on_done;
    r.opts.ctx = s;
    s->spans = vm_spans(vm_of(L));
    s->span = r.span;
    s->fetch = fetch_start(vm_net(vm_of(L)), &r.opts, &e);
    if (s->fetch) {
        lua_pushnumber(L, (lua_Number)s->max_bytes);
        return 2;
    }
    *slot = NULL;
    stream_unref(s);
    stream_unref(s);
    return core_error(L, &e);
}

/* stream:more() -> op, which ends when there are bytes, or when the exchange has ended */
static int l_stream_more(lua_State *L)
{
    struct stream *s = *check_stream(L);
    struct op **slot = core_new_op(L);
    struct stream_op *w;
    int at_once;

    check_can_wait(L, "stream:read");
    w = mem_zalloc(sizeof(*w));
    op_init(&w->op, &stream_kind, vm_of(L));
    w->stream = stream_ref(s);
    *slot = &w->op;
    pthread_mutex_lock(&s->mu);
    at_once = s->got.len || s->ended || s->waits;
    if (!at_once)
        s->waits = w;
    pthread_mutex_unlock(&s->mu);
    if (at_once)
        op_finish(&w->op);
    return 1;
}

/* stream:take() -> the bytes that have arrived, maybe none, and the status | nil, message, code;
 * nothing: it has ended well */
static int l_stream_take(lua_State *L)
{
    struct stream *s = *check_stream(L);
    struct buf *got = core_new_buf(L);
    struct error e = {.code = ERR_OK};
    int status, ended;

    pthread_mutex_lock(&s->mu);
    buf_deinit(got);
    *got = s->got;
    buf_init(&s->got, 0);
    status = s->status;
    ended = s->ended && !got->len;
    if (ended)
        e = s->err;
    pthread_mutex_unlock(&s->mu);
    if (e.code)
        return core_error(L, &e);
    if (ended)
        return 0;
    vm_make_room(vm_of(L), got->len);
    lua_pushlstring(L, got->data ? got->data : "", got->len);
    lua_pushinteger(L, status);
    return 2;
}

/* stream:close(): ends the exchange. Twice is fine. */
static int l_stream_close(lua_State *L)
{
    struct stream **slot = luaL_checkudata(L, 1, BIND_STREAM), *s = *slot;

    *slot = NULL;
    if (s) {
        fetch_cancel(s->fetch);
        stream_unref(s);
    }
    return 0;
}

static const luaL_Reg stream_methods[] = {
    {"more", l_stream_more},
    {"take", l_stream_take},
    {"close", l_stream_close},
    {"__gc", l_stream_close},
    {NULL, NULL},
};

void bind_stream_open(lua_State *L)
{
    core_new_class(L, BIND_STREAM, stream_methods);
}

const luaL_Reg bind_stream[] = {
    {"stream", l_stream},
    {NULL, NULL},
};
