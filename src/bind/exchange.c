/* SPDX-License-Identifier: MIT */
#include "bind/exchange.h"

#include <lauxlib.h>
#include <string.h>

#include "base/clock.h"
#include "cache/flight.h"
#include "script/check.h"
#include "script/task.h"
#include "script/vm.h"

enum { MAX_ANSWER = 1 << 30 };
enum { USUAL_TIMEOUT_MS = 30000 }; /* of a fetch in code that has no deadline */

/* A string field. Without `len` it must not have a NUL. */
static const char *opt_string(lua_State *L, const struct exchange *r, const char *field,
                              size_t *len)
{
    const char *s = NULL;
    size_t n;

    lua_getfield(L, 1, field);
    if (!lua_isnil(L, -1)) {
        if (lua_type(L, -1) != LUA_TSTRING)
            check_raise(L, "%s: %s must be a string, not a %s", r->who, field,
                        luaL_typename(L, -1));
        s = lua_tolstring(L, -1, &n); /* the table holds it */
        if (len)
            *len = n;
        else if (strlen(s) != n)
            check_raise(L, "%s: %s holds a NUL", r->who, field);
    }
    lua_pop(L, 1);
    return s;
}

static uint64_t opt_ms(lua_State *L, const struct exchange *r, const char *field, uint64_t def)
{
    uint64_t ms = def;

    lua_getfield(L, 1, field);
    if (!lua_isnil(L, -1)) {
        double s = luaL_checknumber(L, -1);

        if (!(s > 0 && s <= 1e6))
            check_raise(L, "%s: %s is %f, and must be above 0 and at most 1000000", r->who, field,
                        s);
        ms = s < 0.001 ? 1 : (uint64_t)(s * 1000);
    }
    lua_pop(L, 1);
    return ms;
}

/* request.headers is a list of "Name: value" lines here; groupcache/http.lua makes it. */
static void check_headers(lua_State *L, struct exchange *r)
{
    size_t i, n;

    lua_getfield(L, 1, "headers");
    if (lua_istable(L, -1)) {
        n = lua_objlen(L, -1);
        if (n > EXCHANGE_HEADERS)
            check_raise(L, "%s: a request has at most %d headers, not %d", r->who, EXCHANGE_HEADERS,
                        (int)n);
        for (i = 0; i < n; i++) {
            size_t len;

            lua_rawgeti(L, -1, (int)i + 1);
            r->headers[i] = luaL_checklstring(L, -1, &len); /* the list holds it */
            if (strlen(r->headers[i]) != len)
                check_raise(L, "%s: a header holds a NUL", r->who);
            lua_pop(L, 1);
        }
        r->opts.headers = r->headers;
        r->opts.n_headers = n;
    }
    lua_pop(L, 1);
}

/* The request is a span of the load's trace, unless the getter has said what it is. */
static void add_trace(struct exchange *r, const struct flight *f)
{
    const char *line = r->trace;
    struct traceparent span;
    size_t i;
    int n;

    if (!f || !f->trace)
        return;
    for (i = 0; i < r->opts.n_headers; i++)
        if (traceparent_is_header(r->headers[i], strcspn(r->headers[i], ":")))
            return;
    traceparent_child(&span, f->trace);
    spans_begin(&r->span, &span, SPAN_EXCHANGE, r->opts.method ? r->opts.method : "GET");
    r->opts.headers = r->headers;
    for (n = traceparent_put_headers(&span, r->trace); n; n--, line += strlen(line) + 1)
        r->headers[r->opts.n_headers++] = line;
}

void exchange_check(lua_State *L, const char *who, struct exchange *r)
{
    struct task *t = vm_current(vm_of(L));
    uint64_t now = clock_ms(), until = t->deadline_ms;
    uint64_t left = until > now ? until - now : 1;
    uint64_t usual = until < TASK_NO_DEADLINE_MS ? left : USUAL_TIMEOUT_MS;
    size_t url_len = 0;
    double max_bytes;

    memset(&r->opts, 0, sizeof(r->opts));
    r->span.sampled = 0;
    r->who = who;
    luaL_checktype(L, 1, LUA_TTABLE);
    r->opts.url = opt_string(L, r, "url", &url_len);
    if (!r->opts.url || strlen(r->opts.url) != url_len)
        check_raise(L, "%s: url must be a string without NUL", r->who);
    r->opts.method = opt_string(L, r, "method", NULL);
    r->opts.ca_file = opt_string(L, r, "ca_file", NULL);
    r->opts.reach = opt_string(L, r, "reach", NULL);
    r->opts.proxy = opt_string(L, r, "proxy", NULL);
    r->opts.cert_file = opt_string(L, r, "cert_file", NULL);
    r->opts.key_file = opt_string(L, r, "key_file", NULL);
    r->opts.body = opt_string(L, r, "body", &r->opts.body_len);
    r->opts.timeout_ms = opt_ms(L, r, "timeout", usual);
    if (r->opts.timeout_ms > left)
        r->opts.timeout_ms = left;
    r->opts.connect_timeout_ms = opt_ms(L, r, "connect_timeout", 0);
    lua_getfield(L, 1, "max_bytes");
    max_bytes = luaL_optnumber(L, -1, (double)t->max_bytes);
    if (!(max_bytes >= 1 && max_bytes <= (double)MAX_ANSWER))
        check_raise(L, "%s: max_bytes is %f, and must be 1 to %d", r->who, max_bytes, MAX_ANSWER);
    r->opts.max_bytes = (size_t)max_bytes;
    lua_getfield(L, 1, "insecure");
    r->opts.insecure = lua_toboolean(L, -1);
    lua_getfield(L, 1, "decode");
    r->opts.decode = lua_isnil(L, -1) || lua_toboolean(L, -1);
    lua_getfield(L, 1, "any_coding");
    r->opts.any_coding = lua_toboolean(L, -1);
    lua_getfield(L, 1, "interim");
    r->opts.interim = lua_toboolean(L, -1);
    lua_getfield(L, 1, "identity");
    r->opts.identity = lua_toboolean(L, -1);
    lua_pop(L, 6);
    check_headers(L, r);
    add_trace(r, t->flight);
}

void exchange_end(struct spans *to, struct span *s, struct fetch *f)
{
    s->code = fetch_error(f)->code;
    s->status = s->code ? 0 : fetch_status(f);
    spans_end(to, s);
}
