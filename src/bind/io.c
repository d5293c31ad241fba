/* SPDX-License-Identifier: MIT */
/* io.c - the waits of getters besides groups: HTTP exchanges and time. */
#include "bind/bind.h"

#include <lauxlib.h>
#include <lua.h>
#include <stddef.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/httpdate.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/pct.h"
#include "bind/core.h"
#include "bind/exchange.h"
#include "bind/headers.h"
#include "net/decoder.h"
#include "net/fetch.h"
#include "script/bytes.h"
#include "script/check.h"
#include "script/op.h"
#include "script/task.h"
#include "script/vm.h"

enum { MAX_ESCAPE = 1 << 20 };

/* --- groupcache.sleep --- */

struct sleep_op {
    struct op op;
    struct timer timer;
};

static void sleep_free(struct op *op)
{
    mem_free(op);
}

static void sleep_cancel(struct op *op)
{
    struct sleep_op *s = (struct sleep_op *)(void *)op;

    if (!s->timer.slot)
        return; /* the timer has run: the message is on its way */
    timers_cancel(vm_timers(op->vm), &s->timer);
    op_drop(op);
}

static const struct op_kind sleep_kind = {.cancel = sleep_cancel, .free = sleep_free};

static void sleep_over(struct timer *t)
{
    op_finish(&list_entry(t, struct sleep_op, timer)->op);
}

/* core.sleep(seconds) -> op */
static int l_sleep(lua_State *L)
{
    double seconds = luaL_checknumber(L, 1);
    struct op **slot = core_new_op(L);
    struct vm *vm = vm_of(L);
    struct sleep_op *s;

    check_can_wait(L, "groupcache.sleep");
    if (!(seconds >= 0 && seconds <= 1e6))
        return check_raise(L, "groupcache.sleep: seconds are %f, and must be 0 to 1000000",
                           seconds);
    s = mem_zalloc(sizeof(*s));
    op_init(&s->op, &sleep_kind, vm);
    s->timer.run = sleep_over;
    *slot = &s->op;
    if (timers_set(vm_timers(vm), &s->timer, clock_ms() + (uint64_t)(seconds * 1000)))
        op_finish(&s->op); /* no memory for a timer: the sleep ends at once */
    return 1;
}

/* --- http.request --- */

struct fetch_op {
    struct op op;
    struct fetch *fetch; /* a reference; the VM's thread */
    struct error err;    /* written before op_finish(), like the fields below */
    int status;
    struct buf body;
    struct buf headers; /* name, NUL, value, NUL, ... */
    struct buf interim; /* as fetch_interim() has it */
    struct spans *spans;
    struct span span; /* written before fetch_start() */
};

static void fetch_op_free(struct op *op)
{
    struct fetch_op *f = (struct fetch_op *)(void *)op;

    fetch_unref(f->fetch);
    buf_deinit(&f->body);
    buf_deinit(&f->headers);
    buf_deinit(&f->interim);
    mem_free(f);
}

static void fetch_op_cancel(struct op *op)
{
    struct fetch_op *f = (struct fetch_op *)(void *)op;

    if (f->fetch)
        fetch_cancel(f->fetch);
}

static const struct op_kind fetch_kind = {.cancel = fetch_op_cancel, .free = fetch_op_free};

/* Network thread. */
static void fetch_op_done(void *ctx, struct fetch *fetch)
{
    struct fetch_op *f = ctx;
    struct buf *body = fetch_body(fetch);

    exchange_end(f->spans, &f->span, fetch);
    f->err = *fetch_error(fetch);
    f->status = fetch_status(fetch);
    f->body.data = buf_take(body, &f->body.len);
    headers_keep(&f->headers, fetch);
    buf_put(&f->interim, fetch_interim(fetch)->data, fetch_interim(fetch)->len);
    if (!f->err.code && (f->headers.failed || f->interim.failed))
        error_set(&f->err, ERR_NOMEM, "no memory for the headers of an answer");
    op_finish(&f->op);
}

/* core.fetch(request) -> op | nil, message, code */
static int l_fetch(lua_State *L)
{
    struct vm *vm = vm_of(L);
    struct op **slot = core_new_op(L);
    struct exchange r;
    struct fetch_op *f;
    struct error e;

    check_can_wait(L, "http.request");
    exchange_check(L, "http.request", &r);
    f = mem_zalloc(sizeof(*f));
    buf_init(&f->body, 0);
    buf_init(&f->headers, 0);
    buf_init(&f->interim, 0);
    op_init(&f->op, &fetch_kind, vm);
    *slot = &f->op;
    r.opts.done = fetch_op_done;
    r.opts.ctx = f;
    f->spans = vm_spans(vm);
    f->span = r.span;
    f->fetch = fetch_start(vm_net(vm), &r.opts, &e);
    if (!f->fetch) {
        op_drop(&f->op); /* the userdata keeps its own reference */
        return core_error(L, &e);
    }
    return 1;
}

/* The body is moved: two would stay until the next collection. */
static void push_body(lua_State *L, struct fetch_op *f, int as_value)
{
    if (as_value) {
        bytes_push(L, &f->body);
        return;
    }
    vm_make_room(vm_of(L), f->body.len);
    lua_pushlstring(L, f->body.data ? f->body.data : "", f->body.len);
    buf_deinit(&f->body);
}

/* core.fetch_result(op, as_value) -> { status, headers, body } | nil, message, code; the body as
 * bytes (bytes.h) if as_value is true */
static int l_fetch_result(lua_State *L)
{
    struct op *op = core_check_op(L, 1);
    struct fetch_op *f = (struct fetch_op *)(void *)op;
    int as_value = lua_toboolean(L, 2);

    luaL_argcheck(L, op->kind == &fetch_kind && op->done, 1, "not a fetch that has ended");
    if (f->err.code)
        return core_error(L, &f->err);
    lua_createtable(L, 0, 3);
    lua_pushinteger(L, f->status);
    lua_setfield(L, -2, "status");
    push_body(L, f, as_value);
    lua_setfield(L, -2, "body");
    headers_push(L, &f->headers);
    lua_setfield(L, -2, "headers");
    return 1;
}

/* core.fetch_headers(op) -> { name, value, name, value, ... } of its answer, as they came */
static int l_fetch_headers(lua_State *L)
{
    struct op *op = core_check_op(L, 1);
    struct fetch_op *f = (struct fetch_op *)(void *)op;

    luaL_argcheck(L, op->kind == &fetch_kind && op->done, 1, "not a fetch that has ended");
    headers_push_list(L, &f->headers);
    return 1;
}

/* core.fetch_interim(op) -> the interim answers before its answer, as fetch_interim() has them, if
 * the request had interim = true; else "" */
static int l_fetch_interim(lua_State *L)
{
    struct op *op = core_check_op(L, 1);
    struct fetch_op *f = (struct fetch_op *)(void *)op;

    luaL_argcheck(L, op->kind == &fetch_kind && op->done, 1, "not a fetch that has ended");
    lua_pushlstring(L, f->interim.data ? f->interim.data : "", f->interim.len);
    return 1;
}

/* core.codings() -> the codings that http decodes, as an Accept-Encoding */
static int l_codings(lua_State *L)
{
    lua_pushstring(L, decoder_codings());
    return 1;
}

/* core.http_date(text) -> Unix time | nil */
static int l_http_date(lua_State *L)
{
    size_t n;
    const char *text = luaL_checklstring(L, 1, &n);
    int64_t out;

    if (httpdate_read(text, n, (int64_t)(clock_wall_ns() / 1000000000), &out))
        lua_pushnumber(L, (double)out);
    else
        lua_pushnil(L);
    return 1;
}

/* core.escape(bytes) -> the bytes, percent-encoded as one path segment */
static int l_escape(lua_State *L)
{
    size_t n;
    const char *bytes = luaL_checklstring(L, 1, &n);
    struct error e;
    struct buf *b;

    luaL_argcheck(L, n <= MAX_ESCAPE, 1, "over 1 MiB");
    b = lua_newuserdata(L, sizeof(*b) + 3 * n); /* owned by Lua: the push below may raise */
    buf_init(b, 3 * n);
    b->data = (char *)(b + 1);
    b->cap = 3 * n;
    if (pct_encode(b, bytes, n)) {
        error_set(&e, b->failed, "cannot escape %d bytes", (int)n);
        return core_error(L, &e);
    }
    lua_pushlstring(L, b->data, b->len);
    return 1;
}

const luaL_Reg bind_io[] = {
    {"sleep", l_sleep},
    {"codings", l_codings},
    {"fetch", l_fetch},
    {"fetch_result", l_fetch_result},
    {"escape", l_escape},
    {"fetch_headers", l_fetch_headers},
    {"http_date", l_http_date},
    {"fetch_interim", l_fetch_interim},
    {NULL, NULL},
};
