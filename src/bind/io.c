/* SPDX-License-Identifier: MIT */
/* io.c - the waits of getters besides groups: HTTP exchanges and time. */
#include "bind/bind.h"

#include <lauxlib.h>
#include <lua.h>
#include <stddef.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/pct.h"
#include "bind/core.h"
#include "bind/headers.h"
#include "net/fetch.h"
#include "script/check.h"
#include "script/op.h"
#include "script/task.h"
#include "script/vm.h"

enum { MAX_HEADERS = 100, MAX_ESCAPE = 1 << 20, MAX_ANSWER = 1 << 30 };
enum { USUAL_TIMEOUT_MS = 30000 }; /* of a fetch in code that has no deadline */

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
};

static void fetch_op_free(struct op *op)
{
    struct fetch_op *f = (struct fetch_op *)(void *)op;

    fetch_unref(f->fetch);
    buf_deinit(&f->body);
    buf_deinit(&f->headers);
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

    f->err = *fetch_error(fetch);
    f->status = fetch_status(fetch);
    f->body.data = buf_take(body, &f->body.len);
    headers_keep(&f->headers, fetch);
    if (!f->err.code && f->headers.failed)
        error_set(&f->err, ERR_NOMEM, "no memory for the headers of an answer");
    op_finish(&f->op);
}

/* The request table of http.request, checked: strings stay on the Lua stack while it is used. */
struct request {
    struct fetch_opts opts;
    const char *headers[MAX_HEADERS];
};

/* A string field. Without `len` it must not have a NUL. */
static const char *opt_string(lua_State *L, const char *field, size_t *len)
{
    const char *s = NULL;
    size_t n;

    lua_getfield(L, 1, field);
    if (!lua_isnil(L, -1)) {
        if (lua_type(L, -1) != LUA_TSTRING)
            check_raise(L, "http.request: %s must be a string, not a %s", field,
                        luaL_typename(L, -1));
        s = lua_tolstring(L, -1, &n); /* the table holds it */
        if (len)
            *len = n;
        else if (strlen(s) != n)
            check_raise(L, "http.request: %s holds a NUL", field);
    }
    lua_pop(L, 1);
    return s;
}

static uint64_t opt_ms(lua_State *L, const char *field, uint64_t def)
{
    uint64_t ms = def;

    lua_getfield(L, 1, field);
    if (!lua_isnil(L, -1)) {
        double s = luaL_checknumber(L, -1);

        if (!(s > 0 && s <= 1e6))
            check_raise(L, "http.request: %s is %f, and must be above 0 and at most 1000000", field,
                        s);
        ms = s < 0.001 ? 1 : (uint64_t)(s * 1000);
    }
    lua_pop(L, 1);
    return ms;
}

/* request.headers is a list of "Name: value" lines here; groupcache/http.lua makes it. */
static void check_headers(lua_State *L, struct request *r)
{
    size_t i, n;

    lua_getfield(L, 1, "headers");
    if (lua_istable(L, -1)) {
        n = lua_objlen(L, -1);
        if (n > MAX_HEADERS)
            check_raise(L, "http.request: a request has at most %d headers, not %d", MAX_HEADERS,
                        (int)n);
        for (i = 0; i < n; i++) {
            size_t len;

            lua_rawgeti(L, -1, (int)i + 1);
            r->headers[i] = luaL_checklstring(L, -1, &len); /* the list holds it */
            if (strlen(r->headers[i]) != len)
                check_raise(L, "http.request: a header holds a NUL");
            lua_pop(L, 1);
        }
        r->opts.headers = r->headers;
        r->opts.n_headers = n;
    }
    lua_pop(L, 1);
}

static void check_request(lua_State *L, struct request *r)
{
    struct task *t = vm_current(vm_of(L));
    uint64_t now = clock_ms(), until = t->deadline_ms;
    uint64_t left = until > now ? until - now : 1;
    uint64_t usual = until < TASK_NO_DEADLINE_MS ? left : USUAL_TIMEOUT_MS;
    size_t url_len = 0;
    double max_bytes;

    memset(&r->opts, 0, sizeof(r->opts));
    luaL_checktype(L, 1, LUA_TTABLE);
    r->opts.url = opt_string(L, "url", &url_len);
    if (!r->opts.url || strlen(r->opts.url) != url_len)
        check_raise(L, "http.request: url must be a string without NUL");
    r->opts.method = opt_string(L, "method", NULL);
    r->opts.ca_file = opt_string(L, "ca_file", NULL);
    r->opts.reach = opt_string(L, "reach", NULL);
    r->opts.body = opt_string(L, "body", &r->opts.body_len);
    r->opts.timeout_ms = opt_ms(L, "timeout", usual);
    if (r->opts.timeout_ms > left)
        r->opts.timeout_ms = left;
    r->opts.connect_timeout_ms = opt_ms(L, "connect_timeout", 0);
    lua_getfield(L, 1, "max_bytes");
    max_bytes = luaL_optnumber(L, -1, (double)t->max_bytes);
    if (!(max_bytes >= 1 && max_bytes <= (double)MAX_ANSWER))
        check_raise(L, "http.request: max_bytes is %f, and must be 1 to %d", max_bytes, MAX_ANSWER);
    r->opts.max_bytes = (size_t)max_bytes;
    lua_getfield(L, 1, "insecure");
    r->opts.insecure = lua_toboolean(L, -1);
    lua_getfield(L, 1, "decode");
    r->opts.decode = lua_isnil(L, -1) || lua_toboolean(L, -1);
    lua_pop(L, 3);
    check_headers(L, r);
}

/* core.fetch(request) -> op | nil, message, code */
static int l_fetch(lua_State *L)
{
    struct vm *vm = vm_of(L);
    struct op **slot = core_new_op(L);
    struct request r;
    struct fetch_op *f;
    struct error e;

    check_can_wait(L, "http.request");
    check_request(L, &r);
    f = mem_zalloc(sizeof(*f));
    buf_init(&f->body, 0);
    buf_init(&f->headers, 0);
    op_init(&f->op, &fetch_kind, vm);
    *slot = &f->op;
    r.opts.done = fetch_op_done;
    r.opts.ctx = f;
    f->fetch = fetch_start(vm_net(vm), &r.opts, &e);
    if (!f->fetch) {
        op_drop(&f->op); /* the userdata keeps its own reference */
        return core_error(L, &e);
    }
    return 1;
}

/* core.fetch_result(op) -> { status, headers, body } | nil, message, code */
static int l_fetch_result(lua_State *L)
{
    struct op *op = core_check_op(L, 1);
    struct fetch_op *f = (struct fetch_op *)(void *)op;

    luaL_argcheck(L, op->kind == &fetch_kind && op->done, 1, "not a fetch that has ended");
    if (f->err.code)
        return core_error(L, &f->err);
    vm_make_room(vm_of(L), f->body.len);
    lua_createtable(L, 0, 3);
    lua_pushinteger(L, f->status);
    lua_setfield(L, -2, "status");
    lua_pushlstring(L, f->body.data ? f->body.data : "", f->body.len);
    lua_setfield(L, -2, "body");
    buf_deinit(&f->body); /* the getter has a copy: two would stay until the next collection */
    headers_push(L, &f->headers);
    lua_setfield(L, -2, "headers");
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
    {"sleep", l_sleep},   {"fetch", l_fetch}, {"fetch_result", l_fetch_result},
    {"escape", l_escape}, {NULL, NULL},
};
