/* SPDX-License-Identifier: MIT */
/* decode.c - JSON and MessagePack as Lua values, exactly: a number that Lua cannot hold is an
 * error. null is a light userdata of NULL, as in lua-cjson.
 *
 * Space, brackets and strings of JSON are read by wire/json.c. A string without an escape is pushed
 * from where it lies. */
#include "bind/bind.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/num.h"
#include "bind/core.h"
#include "wire/json.h"

struct decoder {
    struct json j; /* the text, or the bytes of MessagePack */
    const char *begin;
    struct buf text; /* a string with escapes */
    int depth;
    char wrong[160]; /* the error; empty: the bytes are not of the format */
};

static void free_decoder(void *p)
{
    struct decoder *d = p;

    buf_deinit(&d->text);
    mem_free(d);
}

/* Begins a table: makes room for it, and on the stack. */
static int go_deeper(lua_State *L, struct decoder *d, size_t items, size_t members)
{
    size_t left = (size_t)(d->j.end - d->j.at);

    if (d->depth == CORE_MAX_DEPTH || !lua_checkstack(L, 8)) {
        snprintf(d->wrong, sizeof(d->wrong), "it is nested more than %d deep", CORE_MAX_DEPTH);
        return 0;
    }
    d->depth++;
    if (items > left || members > left)
        return 0; /* each takes a byte at least */
    lua_createtable(L, items < 64 ? (int)items : 64, members < 64 ? (int)members : 64);
    return 1;
}

/* Marks an empty table as a list, so that it is encoded as a list again. */
static void mark_list(lua_State *L)
{
    luaL_getmetatable(L, CORE_LIST);
    lua_setmetatable(L, -2);
}

/* --- JSON --- */

static int json_value(lua_State *L, struct decoder *d);

static int json_string(lua_State *L, struct decoder *d)
{
    const char *s = d->j.at + 1, *at;

    for (at = s; at < d->j.end && *at != '"' && *at != '\\' && (unsigned char)*at >= 0x20;)
        at++;
    if (at < d->j.end && *at == '"') {
        lua_pushlstring(L, s, (size_t)(at - s));
        d->j.at = at; /* json_char() steps over the quote, and over what it may */
        return json_char(&d->j, '"');
    }
    buf_reset(&d->text);
    if (!json_text(&d->j, &d->text) || d->text.failed) {
        if (d->j.flaw)
            snprintf(d->wrong, sizeof(d->wrong), "a string has %s", d->j.flaw);
        return 0;
    }
    lua_pushlstring(L, d->text.data ? d->text.data : "", d->text.len);
    return 1;
}

/* The end of a JSON number; NULL: there is no number. *whole: the end of its digits if it has
 * nothing else. */
static const char *number_end(const char *s, const char **whole)
{
    size_t n = num_digits(s);

    *whole = NULL;
    if (!n || (n > 1 && *s == '0'))
        return NULL;
    s += n;
    *whole = s;
    if (*s == '.') {
        n = num_digits(s + 1);
        if (!n)
            return NULL;
        s += 1 + n;
    }
    if (*s == 'e' || *s == 'E') {
        s += s[1] == '+' || s[1] == '-' ? 2 : 1;
        n = num_digits(s);
        if (!n)
            return NULL;
        s += n;
    }
    if (s != *whole)
        *whole = NULL;
    return s;
}

/* The text ends with a NUL, as all strings of Lua do. */
static int json_number(lua_State *L, struct decoder *d)
{
    const char *s = d->j.at, *digits = s + (*s == '-'), *whole, *end = number_end(digits, &whole);
    const char *stopped;
    double x;

    if (!end)
        return 0;
    x = num_get_double(s, &stopped);
    if (stopped != end)
        return 0;
    if (isinf(x) || (whole && !num_is_exact(digits, (size_t)(whole - digits), x))) {
        snprintf(d->wrong, sizeof(d->wrong), "a Lua number cannot hold the number %.*s",
                 end - s < 40 ? (int)(end - s) : 40, s);
        return 0;
    }
    lua_pushnumber(L, x);
    d->j.at = end;
    return 1;
}

static int json_list(lua_State *L, struct decoder *d)
{
    int n = 0;

    if (!go_deeper(L, d, 0, 0))
        return 0;
    if (json_char(&d->j, ']')) {
        mark_list(L);
        return 1;
    }
    do {
        if (!json_value(L, d))
            return 0;
        lua_rawseti(L, -2, ++n);
    } while (json_char(&d->j, ','));
    return json_char(&d->j, ']');
}

static int json_object(lua_State *L, struct decoder *d)
{
    if (!go_deeper(L, d, 0, 0))
        return 0;
    if (json_char(&d->j, '}'))
        return 1;
    do {
        if (d->j.at == d->j.end || *d->j.at != '"' || !json_string(L, d) || !json_char(&d->j, ':'))
            return 0;
        if (!json_value(L, d))
            return 0;
        lua_rawset(L, -3);
    } while (json_char(&d->j, ','));
    return json_char(&d->j, '}');
}

static int json_word(struct decoder *d, const char *word)
{
    size_t n = strlen(word);

    if ((size_t)(d->j.end - d->j.at) < n || memcmp(d->j.at, word, n) != 0)
        return 0;
    d->j.at += n;
    return 1;
}

static int json_simple(lua_State *L, struct decoder *d)
{
    if (json_word(d, "null"))
        lua_pushlightuserdata(L, NULL);
    else if (json_word(d, "true"))
        lua_pushboolean(L, 1);
    else if (json_word(d, "false"))
        lua_pushboolean(L, 0);
    else
        return json_number(L, d);
    return 1;
}

/* Pushes one value. 0: the caller cuts the stack. */
static int json_value(lua_State *L, struct decoder *d)
{
    int ok;

    if (json_char(&d->j, '['))
        ok = json_list(L, d);
    else if (json_char(&d->j, '{'))
        ok = json_object(L, d);
    else {
        if (d->j.at < d->j.end && *d->j.at == '"')
            return json_string(L, d);
        if (!json_simple(L, d))
            return 0;
        json_space(&d->j);
        return 1;
    }
    d->depth--;
    return ok;
}

/* --- MessagePack --- */

static int msgpack_value(lua_State *L, struct decoder *d);

/* Reads the next bytes as a number, the highest first. 0: there are fewer bytes. */
static int get_wide(struct decoder *d, int bytes, uint64_t *out)
{
    *out = 0;
    if (d->j.end - d->j.at < bytes)
        return 0;
    while (bytes--)
        *out = *out << 8 | (unsigned char)*d->j.at++;
    return 1;
}

static int msgpack_text(lua_State *L, struct decoder *d, size_t n)
{
    if ((size_t)(d->j.end - d->j.at) < n)
        return 0;
    lua_pushlstring(L, d->j.at, n);
    d->j.at += n;
    return 1;
}

static int msgpack_list(lua_State *L, struct decoder *d, size_t n)
{
    size_t i;

    if (!go_deeper(L, d, n, 0))
        return 0;
    for (i = 1; i <= n; i++) {
        if (!msgpack_value(L, d))
            return 0;
        lua_rawseti(L, -2, (int)i);
    }
    d->depth--;
    return 1;
}

static int msgpack_map(lua_State *L, struct decoder *d, size_t n)
{
    if (!go_deeper(L, d, 0, n))
        return 0;
    for (; n; n--) {
        if (!msgpack_value(L, d))
            return 0;
        if (lua_type(L, -1) == LUA_TNUMBER && isnan(lua_tonumber(L, -1))) {
            snprintf(d->wrong, sizeof(d->wrong), "nan is a key");
            return 0;
        }
        if (!msgpack_value(L, d))
            return 0;
        lua_rawset(L, -3);
    }
    d->depth--;
    return 1;
}

static int msgpack_float(lua_State *L, struct decoder *d, int bytes)
{
    uint64_t bits;
    uint32_t low;
    double x;
    float f;

    if (!get_wide(d, bytes, &bits))
        return 0;
    low = (uint32_t)bits;
    memcpy(&f, &low, sizeof(f));
    memcpy(&x, &bits, sizeof(x));
    lua_pushnumber(L, bytes == 4 ? (double)f : x);
    return 1;
}

static int msgpack_whole(lua_State *L, struct decoder *d, int bytes, int negative)
{
    uint64_t n;
    int shift = 64 - 8 * bytes;
    double x;

    if (!get_wide(d, bytes, &n))
        return 0;
    negative = negative && n >> (8 * bytes - 1);
    if (negative)
        n = 0 - (uint64_t)((int64_t)(n << shift) >> shift);
    x = (double)n;
    if (x >= 18446744073709551616.0 || (uint64_t)x != n) {
        snprintf(d->wrong, sizeof(d->wrong), "a Lua number cannot hold the number %s%llu",
                 negative ? "-" : "", (unsigned long long)n);
        return 0;
    }
    lua_pushnumber(L, negative ? -x : x);
    return 1;
}

/* A string, a list or a map with its size in that many bytes. */
static int msgpack_sized(lua_State *L, struct decoder *d, int bytes,
                         int (*read)(lua_State *L, struct decoder *d, size_t n))
{
    uint64_t n;

    return get_wide(d, bytes, &n) && read(L, d, (size_t)n);
}

static int msgpack_marked(lua_State *L, struct decoder *d, unsigned mark)
{
    switch (mark) {
    case 0xc0:
        lua_pushlightuserdata(L, NULL);
        return 1;
    case 0xc2:
    case 0xc3:
        lua_pushboolean(L, mark == 0xc3);
        return 1;
    case 0xc4: /* bytes */
    case 0xc5:
    case 0xc6:
        return msgpack_sized(L, d, 1 << (mark - 0xc4), msgpack_text);
    case 0xca:
    case 0xcb:
        return msgpack_float(L, d, mark == 0xca ? 4 : 8);
    case 0xcc:
    case 0xcd:
    case 0xce:
    case 0xcf:
        return msgpack_whole(L, d, 1 << (mark - 0xcc), 0);
    case 0xd0:
    case 0xd1:
    case 0xd2:
    case 0xd3:
        return msgpack_whole(L, d, 1 << (mark - 0xd0), 1);
    case 0xd9: /* text */
    case 0xda:
    case 0xdb:
        return msgpack_sized(L, d, 1 << (mark - 0xd9), msgpack_text);
    case 0xdc:
    case 0xdd:
        return msgpack_sized(L, d, mark == 0xdc ? 2 : 4, msgpack_list);
    case 0xde:
    case 0xdf:
        return msgpack_sized(L, d, mark == 0xde ? 2 : 4, msgpack_map);
    default:
        snprintf(d->wrong, sizeof(d->wrong), "it has an extension type");
        return 0;
    }
}

static int msgpack_value(lua_State *L, struct decoder *d)
{
    unsigned mark;

    if (d->j.at == d->j.end)
        return 0;
    mark = (unsigned char)*d->j.at++;
    if (mark < 0x80 || mark >= 0xe0)
        lua_pushnumber(L, mark < 0x80 ? (int)mark : (int)mark - 256);
    else if (mark < 0x90)
        return msgpack_map(L, d, mark & 0xf);
    else if (mark < 0xa0)
        return msgpack_list(L, d, mark & 0xf);
    else if (mark < 0xc0)
        return msgpack_text(L, d, mark & 0x1f);
    else
        return msgpack_marked(L, d, mark);
    return 1;
}

/* --- both --- */

static int decode(lua_State *L, struct decoder *d, int msgpack)
{
    if (msgpack)
        return msgpack_value(L, d);
    json_space(&d->j);
    return json_value(L, d);
}

/* core.decode(bytes, format) -> value, which is never nil | nil, message */
static int l_decode(lua_State *L)
{
    size_t n;
    const char *bytes = luaL_checklstring(L, 1, &n);
    int msgpack = !strcmp(luaL_checkstring(L, 2), "msgpack");
    void **slot = core_owner(L, free_decoder);
    struct decoder *d = mem_zalloc(sizeof(*d));
    int ok;

    *slot = d;
    d->begin = bytes;
    d->j = (struct json){.at = bytes, .end = bytes + n};
    buf_init(&d->text, 0);
    ok = decode(L, d, msgpack) && d->j.at == d->j.end;
    if (!ok) {
        lua_pushnil(L);
        if (*d->wrong)
            lua_pushstring(L, d->wrong);
        else
            lua_pushfstring(L, "it is no %s at byte %d", msgpack ? "MessagePack" : "JSON",
                            (int)(d->j.at - d->begin) + 1);
    }
    free_decoder(d);
    *slot = NULL;
    return ok ? 1 : 2;
}

const luaL_Reg bind_decode[] = {
    {"decode", l_decode},
    {NULL, NULL},
};
