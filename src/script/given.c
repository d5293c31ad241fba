/* SPDX-License-Identifier: MIT */
/* given.c - the table is walked by lua_next(), and its strings are compared: to look for a field by
 * its name, the name would be made as a string of the VM, which may raise. */
#include "script/given.h"

#include <lauxlib.h>
#include <lua.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "script/bytes.h"

#define FIELDS                                                                                     \
    "body, ttl, age, status, content_type, headers, tags, stale_while_revalidate, stale_if_error"

/* Beyond this, a time is as good as endless: a hundred years. */
static const double LONGEST_S = 100.0 * 365 * 24 * 3600;

/* The value of the field is on top of the stack. */
struct field {
    lua_State *L;
    const char *name;
    struct given_table *out;
    struct error *e;
};

static enum err wrong_type(const struct field *f, const char *what)
{
    return error_set(f->e, ERR_INVAL, "%s is a %s, and must be %s", f->name,
                     luaL_typename(f->L, -1), what);
}

/* A number of at least 0 that is finite. */
static enum err seconds(const struct field *f, double *out)
{
    if (lua_type(f->L, -1) != LUA_TNUMBER)
        return wrong_type(f, "a number of seconds");
    *out = lua_tonumber(f->L, -1);
    if (!(*out >= 0))
        return error_set(f->e, ERR_INVAL, "%s is %.14g, and must be 0 or more seconds", f->name,
                         *out);
    *out = *out < LONGEST_S ? *out : LONGEST_S;
    return ERR_OK;
}

static enum err take_body(const struct field *f)
{
    f->out->own = bytes_at(f->L, -1);
    if (f->out->own && f->out->own->failed)
        return error_set(f->e, ERR_INVAL, "body was returned by a getter before");
    if (f->out->own) {
        f->out->body = f->out->own->data ? f->out->own->data : "";
        f->out->n = f->out->own->len;
        return ERR_OK;
    }
    if (lua_type(f->L, -1) != LUA_TSTRING)
        return wrong_type(f, "a string");
    f->out->body = lua_tolstring(f->L, -1, &f->out->n);
    return ERR_OK;
}

static enum err take_ttl(const struct field *f)
{
    if (lua_type(f->L, -1) != LUA_TNUMBER)
        return wrong_type(f, "a number of seconds");
    f->out->has_ttl = 1;
    f->out->ttl_ms = lua_tonumber(f->L, -1) * 1000;
    return ERR_OK;
}

static enum err take_age(const struct field *f)
{
    double s;

    if (seconds(f, &s))
        return ERR_INVAL;
    f->out->age_s = (uint64_t)s;
    return ERR_OK;
}

static enum err take_status(const struct field *f)
{
    if (lua_type(f->L, -1) != LUA_TNUMBER)
        return wrong_type(f, "an integer from 200 to 599");
    return extra_put_status(&f->out->extra, lua_tonumber(f->L, -1), f->e);
}

/* Puts the string or number on top of the stack. */
static enum err put_header(const struct field *f, const char *name, size_t name_len)
{
    char number[32];
    const char *text = number;
    size_t n;

    if (lua_type(f->L, -1) == LUA_TNUMBER)
        n = (size_t)snprintf(number, sizeof(number), "%.14g", lua_tonumber(f->L, -1));
    else if (lua_type(f->L, -1) == LUA_TSTRING)
        text = lua_tolstring(f->L, -1, &n);
    else
        return error_set(f->e, ERR_INVAL,
                         "header \"%.60s\" is a %s, and must be a string, a number or a list of "
                         "them",
                         name, luaL_typename(f->L, -1));
    return extra_put_header(&f->out->extra, name, name_len, text, n, f->e);
}

static enum err take_content_type(const struct field *f)
{
    static const char name[] = "content-type";

    if (lua_type(f->L, -1) != LUA_TSTRING)
        return wrong_type(f, "a string");
    return put_header(f, name, strlen(name));
}

/* The list on top of the stack: a header on several lines. */
static enum err put_lines(const struct field *f, const char *name, size_t name_len)
{
    size_t i, n = lua_objlen(f->L, -1);
    enum err err = ERR_OK;

    for (i = 1; i <= n && !err; i++) {
        lua_rawgeti(f->L, -1, (int)i);
        err = put_header(f, name, name_len);
        lua_pop(f->L, 1);
    }
    return err;
}

static enum err take_headers(const struct field *f)
{
    lua_State *L = f->L;
    int top = lua_gettop(L);
    enum err err = ERR_OK;

    if (!lua_istable(L, -1))
        return wrong_type(f, "a table of names and values");
    lua_pushnil(L);
    while (!err && lua_next(L, top)) {
        size_t n;
        const char *name;

        if (lua_type(L, -2) != LUA_TSTRING) {
            err = error_set(f->e, ERR_INVAL,
                            "headers has a %s for a name, and must have names and values",
                            luaL_typename(L, -2));
            break;
        }
        name = lua_tolstring(L, -2, &n);
        err = lua_istable(L, -1) ? put_lines(f, name, n) : put_header(f, name, n);
        lua_pop(L, 1);
    }
    lua_settop(L, top);
    return err;
}

static enum err take_tags(const struct field *f)
{
    lua_State *L = f->L;
    size_t i, n;
    enum err err = ERR_OK;

    if (!lua_istable(L, -1))
        return wrong_type(f, "a list of strings");
    n = lua_objlen(L, -1);
    for (i = 1; i <= n && !err; i++) {
        size_t len;
        const char *tag;

        lua_rawgeti(L, -1, (int)i);
        if (lua_type(L, -1) == LUA_TSTRING) {
            tag = lua_tolstring(L, -1, &len);
            err = extra_put_tag(&f->out->extra, tag, len, f->e);
        } else {
            err = error_set(f->e, ERR_INVAL, "tag %zu is a %s, and must be a string", i,
                            luaL_typename(L, -1));
        }
        lua_pop(L, 1);
    }
    return err;
}

static enum err take_window(const struct field *f, enum extra_kind kind)
{
    double s;

    if (seconds(f, &s))
        return ERR_INVAL;
    return extra_put_window(&f->out->extra, kind, (uint64_t)(s * 1000), f->e);
}

static enum err take_revalidate(const struct field *f)
{
    return take_window(f, EXTRA_REVALIDATE);
}

static enum err take_if_error(const struct field *f)
{
    return take_window(f, EXTRA_IF_ERROR);
}

static const struct {
    const char *name;
    enum err (*take)(const struct field *f);
} fields[] = {
    {"body", take_body},
    {"ttl", take_ttl},
    {"age", take_age},
    {"status", take_status},
    {"content_type", take_content_type},
    {"headers", take_headers},
    {"tags", take_tags},
    {"stale_while_revalidate", take_revalidate},
    {"stale_if_error", take_if_error},
};

/* A name and its value are on the stack. */
static enum err take_field(struct field *f)
{
    size_t i, n;
    const char *name;

    if (lua_type(f->L, -2) != LUA_TSTRING)
        return error_set(f->e, ERR_INVAL, "it has an item %s, and may have the fields " FIELDS,
                         lua_type(f->L, -2) == LUA_TNUMBER ? "without a name"
                                                           : "whose name is no string");
    name = lua_tolstring(f->L, -2, &n);
    for (i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
        if (strcmp(fields[i].name, name) == 0) {
            f->name = name;
            return fields[i].take(f);
        }
    }
    return error_set(f->e, ERR_INVAL, "\"%.60s\" is no field of it, which may have " FIELDS, name);
}

/* Some answers have no body (RFC 9110, 6.4.1). */
static enum err check_body(const struct given_table *t, struct error *e)
{
    int status = extra_status(t->extra.bytes, t->extra.n);

    if (!t->body && status == EXTRA_OK)
        return error_set(e, ERR_INVAL,
                         "it has no body, and must have a body or a status other than 200");
    if ((status == 204 || status == 205) && t->n)
        return error_set(e, ERR_INVAL,
                         "it has a body of %zu bytes, and an answer with status %d "
                         "has none",
                         t->n, status);
    return ERR_OK;
}

enum err given_read(lua_State *L, int index, struct given_table *out, struct error *e)
{
    struct field f = {L, NULL, out, e};
    int top = lua_gettop(L);
    enum err err = ERR_OK;

    out->body = NULL;
    out->n = 0;
    out->own = NULL;
    out->has_ttl = 0;
    out->ttl_ms = 0;
    out->age_s = 0;
    extra_init(&out->extra);
    lua_pushnil(L);
    while (!err && lua_next(L, index)) {
        err = take_field(&f);
        lua_pop(L, 1);
    }
    lua_settop(L, top);
    if (!err)
        err = check_body(out, e);
    if (!err && !out->body)
        out->body = "";
    return err;
}
