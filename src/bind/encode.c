/* SPDX-License-Identifier: MIT */
/* encode.c - a Lua value as JSON or as MessagePack, exactly: a value that the format does not have
 * is an error. base/json_out.c writes the strings of JSON, base/num.c the numbers. */
#include "bind/bind.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/json_out.h"
#include "base/mem.h"
#include "base/num.h"
#include "bind/core.h"

struct encoder {
    struct buf out;
    int msgpack;                      /* else JSON */
    const void *path[CORE_MAX_DEPTH]; /* the tables around the value */
    int depth;
    char wrong[160]; /* the error */
};

static void free_encoder(void *p)
{
    struct encoder *e = p;

    buf_deinit(&e->out);
    mem_free(e);
}

static int fail(struct encoder *e, const char *why)
{
    snprintf(e->wrong, sizeof(e->wrong), "%s", why);
    return 0;
}

static void put_byte(struct encoder *e, unsigned byte)
{
    char c = (char)byte;

    buf_put(&e->out, &c, 1);
}

/* --- pieces of MessagePack --- */

/* A first byte and the low bytes of a number behind it, the highest first. */
static void put_wide(struct encoder *e, unsigned first, uint64_t n, int bytes)
{
    put_byte(e, first);
    while (bytes--)
        put_byte(e, (unsigned)(n >> 8 * bytes) & 0xff);
}

static void put_msgpack_whole(struct encoder *e, int64_t n)
{
    if (n >= -32 && n < 128)
        put_byte(e, (unsigned)n & 0xff);
    else if (n >= 0 && n <= UINT8_MAX)
        put_wide(e, 0xcc, (uint64_t)n, 1);
    else if (n >= 0 && n <= UINT16_MAX)
        put_wide(e, 0xcd, (uint64_t)n, 2);
    else if (n >= 0 && n <= UINT32_MAX)
        put_wide(e, 0xce, (uint64_t)n, 4);
    else if (n >= 0)
        put_wide(e, 0xcf, (uint64_t)n, 8);
    else if (n >= INT8_MIN)
        put_wide(e, 0xd0, (uint64_t)n, 1);
    else if (n >= INT16_MIN)
        put_wide(e, 0xd1, (uint64_t)n, 2);
    else if (n >= INT32_MIN)
        put_wide(e, 0xd2, (uint64_t)n, 4);
    else
        put_wide(e, 0xd3, (uint64_t)n, 8);
}

static void put_msgpack_number(struct encoder *e, double x)
{
    uint64_t bits;

    if (fabs(x) <= 9007199254740992.0 && x == floor(x) && !(x == 0 && signbit(x))) {
        put_msgpack_whole(e, (int64_t)x);
        return;
    }
    memcpy(&bits, &x, sizeof(bits));
    put_wide(e, 0xcb, bits, 8);
}

/* Writes the number of items of a list or a map, or of bytes of a string. `few`: the first byte for
 * at most few_max, `wide`: the first byte before a number of two bytes. */
static void put_msgpack_count(struct encoder *e, size_t n, unsigned few, size_t few_max,
                              unsigned wide)
{
    if (n <= few_max)
        put_byte(e, few | (unsigned)n);
    else if (n <= UINT16_MAX)
        put_wide(e, wide, n, 2);
    else
        put_wide(e, wide + 1, n, 4);
}

static void put_msgpack_text(struct encoder *e, const char *s, size_t n)
{
    if (n > 31 && n <= UINT8_MAX)
        put_wide(e, 0xd9, n, 1);
    else
        put_msgpack_count(e, n, 0xa0, 31, 0xda);
    buf_put(&e->out, s, n);
}

/* --- pieces of JSON --- */

static int put_json_number(struct encoder *e, double x)
{
    char text[NUM_DOUBLE_MAX];

    if (!isfinite(x))
        return fail(e, isnan(x) ? "JSON has no nan" : "JSON has no infinity");
    buf_put(&e->out, text, num_put_double(text, x));
    return 1;
}

/* --- values --- */

static int put_value(lua_State *L, struct encoder *e);

static void put_text(lua_State *L, struct encoder *e)
{
    size_t n;
    const char *s = lua_tolstring(L, -1, &n);

    if (e->msgpack)
        put_msgpack_text(e, s, n);
    else
        json_out_string(&e->out, s, n, JSON_OUT_UTF8); /* if the script's text is UTF-8 */
}

static int put_number(struct encoder *e, double x)
{
    if (!e->msgpack)
        return put_json_number(e, x);
    put_msgpack_number(e, x);
    return 1;
}

static void put_word(struct encoder *e, unsigned byte, const char *word)
{
    if (e->msgpack)
        put_byte(e, byte);
    else
        buf_puts(&e->out, word);
}

/* The members of a table. */
struct shape {
    size_t n, numbers; /* members; members with a key of a list */
    double last;       /* the highest such key */
    int list;          /* marked as one */
};

static struct shape look(lua_State *L)
{
    struct shape s = {0};
    double key;

    if (luaL_getmetafield(L, -1, "__jsontype")) {
        s.list = lua_type(L, -1) == LUA_TSTRING && !strcmp(lua_tostring(L, -1), "array");
        lua_pop(L, 1);
    }
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1), s.n++) {
        if (lua_type(L, -2) != LUA_TNUMBER)
            continue;
        key = lua_tonumber(L, -2);
        if (key >= 1 && key == floor(key)) {
            s.numbers++;
            s.last = key > s.last ? key : s.last;
        }
    }
    return s;
}

static int put_list(lua_State *L, struct encoder *e, size_t n)
{
    size_t i;
    int ok;

    if (e->msgpack)
        put_msgpack_count(e, n, 0x90, 15, 0xdc);
    else
        put_byte(e, '[');
    for (i = 1; i <= n; i++) {
        if (!e->msgpack && i > 1)
            put_byte(e, ',');
        lua_rawgeti(L, -1, (int)i);
        ok = put_value(L, e);
        lua_pop(L, 1);
        if (!ok)
            return 0;
    }
    if (!e->msgpack)
        put_byte(e, ']');
    return 1;
}

/* The key at -2 of the stack and the value at -1. */
static int put_member(lua_State *L, struct encoder *e)
{
    int ok;

    lua_pushvalue(L, -2);
    ok = put_value(L, e);
    lua_pop(L, 1);
    if (ok && !e->msgpack)
        put_byte(e, ':');
    return ok && put_value(L, e);
}

static int put_map(lua_State *L, struct encoder *e, size_t n)
{
    size_t i = 0;

    if (e->msgpack)
        put_msgpack_count(e, n, 0x80, 15, 0xde);
    else
        put_byte(e, '{');
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1), i++) {
        if (!e->msgpack && i)
            put_byte(e, ',');
        if (!e->msgpack && lua_type(L, -2) != LUA_TSTRING) {
            snprintf(e->wrong, sizeof(e->wrong),
                     "a %s is a key, and keys of JSON are strings (a list has 1 to n)",
                     luaL_typename(L, -2));
            lua_pop(L, 2);
            return 0;
        }
        if (!put_member(L, e)) {
            lua_pop(L, 2);
            return 0;
        }
    }
    if (!e->msgpack)
        put_byte(e, '}');
    return 1;
}

static int put_shape(lua_State *L, struct encoder *e)
{
    struct shape s = look(L);
    int list = s.n ? s.numbers == s.n : s.list || e->msgpack;

    if (s.list && s.numbers < s.n)
        return fail(e, "a list has a key that is no whole number from 1 on");
    if (list && s.last > (double)s.n) {
        if (e->msgpack && !s.list)
            return put_map(L, e, s.n);
        return fail(e, "a list has a hole: its keys are not 1 to n (groupcache.null fills one)");
    }
    return list ? put_list(L, e, s.n) : put_map(L, e, s.n);
}

static int put_table(lua_State *L, struct encoder *e)
{
    const void *table = lua_topointer(L, -1);
    int i, ok;

    for (i = 0; i < e->depth; i++) {
        if (e->path[i] == table)
            return fail(e, "a table is inside itself");
    }
    if (e->depth == CORE_MAX_DEPTH || !lua_checkstack(L, 8)) {
        snprintf(e->wrong, sizeof(e->wrong), "tables are nested more than %d deep", CORE_MAX_DEPTH);
        return 0;
    }
    e->path[e->depth++] = table;
    ok = put_shape(L, e);
    e->depth--;
    return ok;
}

/* The value stays on top of the stack. 0: e->wrong or the buffer says why. */
static int put_value(lua_State *L, struct encoder *e)
{
    switch (lua_type(L, -1)) {
    case LUA_TSTRING:
        put_text(L, e);
        break;
    case LUA_TNUMBER:
        if (!put_number(e, lua_tonumber(L, -1)))
            return 0;
        break;
    case LUA_TBOOLEAN:
        put_word(e, lua_toboolean(L, -1) ? 0xc3 : 0xc2, lua_toboolean(L, -1) ? "true" : "false");
        break;
    case LUA_TTABLE:
        if (!put_table(L, e))
            return 0;
        break;
    default:
        if (!lua_isnil(L, -1) && !(lua_islightuserdata(L, -1) && !lua_touserdata(L, -1))) {
            snprintf(e->wrong, sizeof(e->wrong), "there is a %s in it", luaL_typename(L, -1));
            return 0;
        }
        put_word(e, 0xc0, "null");
    }
    return !e->out.failed;
}

/* core.encode(value, format, max_bytes) -> bytes | nil, message, code or nil */
static int l_encode(lua_State *L)
{
    int msgpack = !strcmp(luaL_checkstring(L, 2), "msgpack");
    size_t max = (size_t)luaL_checknumber(L, 3);
    void **slot = core_owner(L, free_encoder);
    struct encoder *e = mem_zalloc(sizeof(*e));
    int ok;

    *slot = e;
    e->msgpack = msgpack;
    buf_init(&e->out, max ? max : 1);
    lua_pushvalue(L, 1);
    ok = put_value(L, e);
    if (!ok) {
        lua_pushnil(L);
        if (e->out.failed == ERR_TOOBIG)
            lua_pushfstring(L, "it takes more than %d bytes, max_value_bytes", (int)max);
        else
            lua_pushstring(L, e->out.failed ? "there is no memory for it" : e->wrong);
        lua_pushstring(L, e->out.failed ? err_name(e->out.failed) : NULL);
    } else {
        core_make_room(L, e->out.len);
        lua_pushlstring(L, e->out.data, e->out.len);
    }
    free_encoder(e);
    *slot = NULL;
    return ok ? 1 : 3;
}

const luaL_Reg bind_encode[] = {
    {"encode", l_encode},
    {NULL, NULL},
};
