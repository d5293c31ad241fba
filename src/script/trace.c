/* SPDX-License-Identifier: MIT */
#include "script/trace.h"

#include <lauxlib.h>
#include <lua.h>
#include <stdint.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"

enum { LOG_AGAIN_MS = 10000 };

struct thrown {
    lua_State *co;
    const char *msg, *what, *fields;
};

static int said_lately(const char *text)
{
    static _Thread_local uint64_t last_hash, last_ms;
    uint64_t hash = hash_table(text, strlen(text)), now = clock_ms() + 1;

    if (hash == last_hash && now < last_ms + LOG_AGAIN_MS)
        return 1;
    last_hash = hash;
    last_ms = now;
    return 0;
}

static void say(const struct thrown *t, const char *text)
{
    char quoted[2000];

    if (!said_lately(text))
        log_error("script", t->what, "%s%serror=%s", t->fields, *t->fields ? " " : "",
                  log_quote(quoted, sizeof(quoted), text, strlen(text)));
}

/* Protected. */
static int trace_body(lua_State *L)
{
    const struct thrown *t = lua_touserdata(L, 1);

    luaL_traceback(L, t->co, t->msg, 0);
    say(t, lua_tostring(L, -1));
    return 0;
}

void trace_thrown(lua_State *L, lua_State *co, const char *what, const char *fields)
{
    int is_text = lua_type(co, -1) == LUA_TSTRING;

    trace_text(L, co, is_text ? lua_tostring(co, -1) : luaL_typename(co, -1), what, fields);
}

void trace_text(lua_State *L, lua_State *co, const char *text, const char *what, const char *fields)
{
    struct thrown t = {co, text, what, fields};

    if (!lua_cpcall(L, trace_body, &t))
        return;
    say(&t, t.msg); /* no memory for the traceback */
    lua_pop(L, 1);
}
