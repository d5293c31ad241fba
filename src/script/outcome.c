/* SPDX-License-Identifier: MIT */
#include "script/outcome.h"

#include <lauxlib.h>
#include <lua.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cache/flight.h"
#include "cache/group.h"
#include "script/bytes.h"
#include "script/given.h"

void *outcome_same(void)
{
    static char same;

    return &same;
}

static int is_same(lua_State *L, int index)
{
    return lua_islightuserdata(L, index) && lua_touserdata(L, index) == outcome_same();
}

static void set_failed(struct outcome *o, enum err code)
{
    o->err.code = code;
    o->err.msg[0] = '\0';
    o->value = NULL;
    o->n = 0;
    o->own = NULL;
    o->has_ttl = 0;
    o->ttl_ms = 0;
    o->age_s = 0;
    extra_init(&o->extra);
    o->object = 0;
    o->same = 0;
}

/* Copies the text of an error if that needs no code of the script. Numbers avoid lua_tostring(),
 * which allocates. Returns 0 when there is no such text. */
static int copy_text(lua_State *L, int index, char *out, size_t size)
{
    int type = lua_type(L, index);
    double number;

    if (type == LUA_TSTRING) {
        snprintf(out, size, "%s", lua_tostring(L, index));
    } else if (type == LUA_TNUMBER) {
        number = lua_tonumber(L, index);
        if (isnan(number))
            snprintf(out, size, "nan");
        else
            snprintf(out, size, "%.14g", number);
    } else {
        return 0;
    }
    return 1;
}

static void failed_with(lua_State *L, int first, const char *group, struct outcome *o)
{
    enum err code = ERR_GETTER;

    if (lua_type(L, first + 2) == LUA_TSTRING)
        code = err_from_name(lua_tostring(L, first + 2));
    set_failed(o, err_is_final(code) ? code : ERR_GETTER);
    if (copy_text(L, first + 1, o->err.msg, sizeof(o->err.msg)))
        return;
    error_set(&o->err, o->err.code,
              "group %s: the getter's second result, the error, is a %s, and must be a string",
              group, luaL_typename(L, first + 1));
    if (lua_istable(L, first + 1))
        o->object = first + 1;
}

/* The third result beside a value may be a ttl or a source: a getter may end with `return
 * other:get(key)`. */
static int third_is_fine(lua_State *L, int index)
{
    int type = lua_type(L, index);

    return type == LUA_TNUMBER || type == LUA_TNIL ||
           (type == LUA_TSTRING && source_is_name(lua_tostring(L, index)));
}

/* A ttl says how long the negative may be kept. */
static void not_found(lua_State *L, int first, const char *group, struct outcome *o)
{
    error_set(&o->err, ERR_NOTFOUND, "group %s: not found", group);
    o->has_ttl = lua_type(L, first + 2) == LUA_TNUMBER;
    o->ttl_ms = o->has_ttl ? lua_tonumber(L, first + 2) * 1000 : 0;
}

static void no_value(lua_State *L, int first, const char *group, struct outcome *o)
{
    set_failed(o, ERR_GETTER);
    if (lua_isnil(L, first) && !lua_isnil(L, first + 1))
        failed_with(L, first, group, o);
    else if (lua_isnil(L, first))
        not_found(L, first, group, o);
    else if (!third_is_fine(L, first + 2))
        error_set(&o->err, ERR_GETTER,
                  "group %s: the getter's third result, the ttl in seconds, is a %s", group,
                  luaL_typename(L, first + 2));
    else if (lua_type(L, first) == LUA_TSTRING ||
             (lua_istable(L, first) && !lua_isnil(L, first + 1)))
        error_set(&o->err, ERR_GETTER,
                  "group %s: the getter returned a value and, as its second result, a %s: a ttl is "
                  "the third (return value, nil, 60)",
                  group, luaL_typename(L, first + 1));
    else
        error_set(&o->err, ERR_GETTER, "group %s: the getter returned a %s, not a string", group,
                  luaL_typename(L, first));
}

/* A ttl in the table counts before the third result. */
static void table_returned(lua_State *L, int first, const char *group, struct outcome *o)
{
    struct given_table t;
    struct error e;

    if (given_read(L, first, &t, &e)) {
        set_failed(o, ERR_GETTER);
        error_set(&o->err, e.code == ERR_TOOBIG ? ERR_TOOBIG : ERR_GETTER,
                  "group %s: the table that the getter returned: %s", group, e.msg);
        return;
    }
    o->err.code = ERR_OK;
    o->value = t.body;
    o->n = t.n;
    o->own = t.own;
    o->has_ttl = t.has_ttl || lua_type(L, first + 2) == LUA_TNUMBER;
    o->ttl_ms = t.has_ttl ? t.ttl_ms : o->has_ttl ? lua_tonumber(L, first + 2) * 1000 : 0;
    o->age_s = t.age_s;
    o->extra = t.extra;
    o->object = 0;
    o->same = 0;
}

void outcome_give(const struct outcome *o, struct given *out)
{
    *out = (struct given){.bytes = o->value,
                          .n = o->n,
                          .ttl_ms = o->has_ttl ? &o->ttl_ms : NULL,
                          .age_s = o->age_s,
                          .extra = o->extra.bytes,
                          .extra_len = o->extra.n,
                          .own = o->own};
}

/* A string, the light userdata of outcome_same(), or bytes. */
static void take_value(lua_State *L, int index, struct outcome *o)
{
    if (o->own) {
        o->value = o->own->data ? o->own->data : "";
        o->n = o->own->len;
    } else {
        o->value = lua_tolstring(L, index, &o->n);
    }
}

void outcome_returned(lua_State *L, int first, const char *group, struct outcome *out)
{
    lua_settop(L, first + 2);
    if (lua_istable(L, first) && lua_isnil(L, first + 1) && third_is_fine(L, first + 2)) {
        table_returned(L, first, group, out);
        return;
    }
    out->same = is_same(L, first);
    out->own = bytes_at(L, first);
    if ((lua_type(L, first) != LUA_TSTRING && !out->same && !out->own) ||
        !lua_isnil(L, first + 1) || !third_is_fine(L, first + 2)) {
        no_value(L, first, group, out);
        return;
    }
    if (out->own && out->own->failed) {
        set_failed(out, ERR_GETTER);
        error_set(&out->err, ERR_GETTER, "group %s: the getter returned a body a second time",
                  group);
        return;
    }
    out->err.code = ERR_OK;
    take_value(L, first, out);
    out->has_ttl = lua_type(L, first + 2) == LUA_TNUMBER;
    out->ttl_ms = out->has_ttl ? lua_tonumber(L, first + 2) * 1000 : 0;
    out->age_s = 0;
    extra_init(&out->extra);
    out->object = 0;
}

void outcome_thrown(lua_State *L, int index, struct outcome *out)
{
    set_failed(out, ERR_GETTER);
    if (copy_text(L, index, out->err.msg, sizeof(out->err.msg)))
        return;
    error_set(&out->err, ERR_GETTER, "the getter threw a %s", luaL_typename(L, index));
    if (lua_istable(L, index))
        out->object = index;
}

void outcome_hide_place(struct outcome *out)
{
    static const char suffix[] = ".lua:";
    char *msg = out->err.msg, *place = strstr(msg, suffix), *end;

    if (!place || memchr(msg, '\n', (size_t)(place - msg)))
        return;
    for (end = place + strlen(suffix); *end >= '0' && *end <= '9'; end++)
        ;
    if (end > place + strlen(suffix) && end[0] == ':' && end[1] == ' ')
        memmove(msg, end + 2, strlen(end + 2) + 1);
}

/* Moves the values at the index and above, and leaves a copy of the lowest. `from` is not
 * protected, and moving raises no error there. */
static void copy_from(lua_State *from, int index, lua_State *L)
{
    int n = lua_gettop(from) - index + 1;

    luaL_checkstack(L, n + 1, "no room for the error of a getter");
    lua_xmove(from, L, n);
    lua_pushvalue(L, -n);
    lua_insert(L, -n - 1);
    lua_xmove(L, from, n);
}

int outcome_speak(lua_State *L)
{
    struct outcome_speech *s = lua_touserdata(L, 1);

    if (s->from)
        copy_from(s->from, s->outcome->object, L);
    if (luaL_callmeta(L, 2, "__tostring") && lua_type(L, -1) == LUA_TSTRING)
        copy_text(L, -1, s->outcome->err.msg, sizeof(s->outcome->err.msg));
    return 0;
}
