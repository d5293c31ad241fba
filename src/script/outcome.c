/* SPDX-License-Identifier: MIT */
#include "script/outcome.h"

#include <lauxlib.h>
#include <lua.h>
#include <math.h>
#include <stdio.h>

#include "cache/flight.h"

static struct outcome failed(enum err code)
{
    struct outcome o;

    o.err.code = code;
    o.err.msg[0] = '\0';
    o.value = NULL;
    o.n = 0;
    o.has_ttl = 0;
    o.ttl_ms = 0;
    o.object = 0;
    return o;
}

/* The text of an error that needs no code of the script. Not lua_tostring() for a number, which
 * allocates. Returns 0 when it has none. */
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

static struct outcome failed_with(lua_State *L, int first, const char *group)
{
    struct outcome o = failed(ERR_GETTER);

    if (lua_type(L, first + 2) == LUA_TSTRING)
        o.err.code = err_from_name(lua_tostring(L, first + 2));
    if (!err_is_final(o.err.code))
        o.err.code = ERR_GETTER;
    if (copy_text(L, first + 1, o.err.msg, sizeof(o.err.msg)))
        return o;
    error_set(&o.err, o.err.code,
              "group %s: the getter's second result, the error, is a %s, and must be a string",
              group, luaL_typename(L, first + 1));
    if (lua_istable(L, first + 1))
        o.object = first + 1;
    return o;
}

/* Whether the third result may stand beside a value: a ttl, or the source that comes with a value
 * of another group, so that a getter may end with `return other:get(key)`. */
static int third_is_fine(lua_State *L, int index)
{
    int type = lua_type(L, index);

    return type == LUA_TNUMBER || type == LUA_TNIL ||
           (type == LUA_TSTRING && source_is_name(lua_tostring(L, index)));
}

static struct outcome no_value(lua_State *L, int first, const char *group)
{
    struct outcome o = failed(ERR_GETTER);

    if (lua_isnil(L, first) && !lua_isnil(L, first + 1))
        return failed_with(L, first, group);
    if (lua_isnil(L, first))
        error_set(&o.err, ERR_NOTFOUND, "group %s: not found", group);
    else if (!third_is_fine(L, first + 2))
        error_set(&o.err, ERR_GETTER,
                  "group %s: the getter's third result, the ttl in seconds, is a %s", group,
                  luaL_typename(L, first + 2));
    else
        error_set(&o.err, ERR_GETTER, "group %s: the getter returned a %s, not a string", group,
                  luaL_typename(L, first));
    return o;
}

struct outcome outcome_returned(lua_State *L, int first, const char *group)
{
    struct outcome o;

    lua_settop(L, first + 2);
    if (lua_type(L, first) != LUA_TSTRING || !third_is_fine(L, first + 2))
        return no_value(L, first, group);
    o.err.code = ERR_OK;
    o.value = lua_tolstring(L, first, &o.n);
    o.has_ttl = lua_type(L, first + 2) == LUA_TNUMBER;
    o.ttl_ms = o.has_ttl ? lua_tonumber(L, first + 2) * 1000 : 0;
    o.object = 0;
    return o;
}

struct outcome outcome_thrown(lua_State *L, int index)
{
    struct outcome o = failed(ERR_GETTER);

    if (copy_text(L, index, o.err.msg, sizeof(o.err.msg)))
        return o;
    error_set(&o.err, ERR_GETTER, "the getter threw a %s", luaL_typename(L, index));
    if (lua_istable(L, index))
        o.object = index;
    return o;
}

/* Moves what stands at the index or above, since moving raises nothing on the stack that is not
 * protected, and leaves a copy of the lowest. */
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
