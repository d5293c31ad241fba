/* SPDX-License-Identifier: MIT */
#include "bind/headers.h"

#include <lauxlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "net/fetch.h"

struct kept_headers {
    struct buf *to;
    int decoded;
};

/* Drops the headers about the encoded bytes if the body was decoded. */
static void keep_header(void *arg, const char *name, const char *value)
{
    const struct kept_headers *kept = arg;
    struct buf *b = kept->to;

    if (kept->decoded &&
        (!strcasecmp(name, "Content-Encoding") || !strcasecmp(name, "Content-Length")))
        return;
    buf_put(b, name, strlen(name) + 1);
    buf_put(b, value, strlen(value) + 1);
}

void headers_keep(struct buf *to, struct fetch *f)
{
    struct kept_headers kept = {to, fetch_decoded(f)};

    fetch_header_each(f, keep_header, &kept);
}

void headers_push(lua_State *L, const struct buf *b)
{
    const char *at = b->data, *end = b->data + b->len;

    lua_newtable(L);
    while (at < end) {
        const char *value = at + strlen(at) + 1;
        char name[128];
        size_t i;

        for (i = 0; i < sizeof(name) - 1 && at[i]; i++)
            name[i] = at[i] >= 'A' && at[i] <= 'Z' ? (char)(at[i] | 0x20) : at[i];
        lua_pushlstring(L, name, i);
        lua_pushvalue(L, -1);
        lua_rawget(L, -3);
        if (lua_isstring(L, -1)) { /* a repeated header: as RFC 9110 5.3 joins them */
            lua_pushliteral(L, ", ");
            lua_pushstring(L, value);
            lua_concat(L, 3);
        } else {
            lua_pop(L, 1);
            lua_pushstring(L, value);
        }
        lua_rawset(L, -3);
        at = value + strlen(value) + 1;
    }
}

void headers_push_list(lua_State *L, const struct buf *b)
{
    const char *at = b->data, *end = b->data + b->len;
    int i;

    lua_newtable(L);
    for (i = 1; at < end; i++, at += strlen(at) + 1) {
        lua_pushstring(L, at);
        lua_rawseti(L, -2, i);
    }
}
