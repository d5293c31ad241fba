/* SPDX-License-Identifier: MIT */
#include "script/bytes.h"

#include <lauxlib.h>
#include <lua.h>

#include "base/mem.h"
#include "script/vm.h"

struct bytes {
    const void *mark; /* what it is: a metatable is not found by its name without an allocation */
    size_t counted;   /* bytes, by vm_add_outside() */
    struct buf content;
};

static const char mark[] = "bytes";

struct buf *bytes_at(lua_State *L, int index)
{
    struct bytes *b = lua_touserdata(L, index);

    if (lua_type(L, index) != LUA_TUSERDATA || lua_objlen(L, index) != sizeof(*b) ||
        b->mark != mark)
        return NULL;
    return &b->content;
}

void bytes_push(lua_State *L, struct buf *from)
{
    struct bytes *b = lua_newuserdata(L, sizeof(*b));
    struct vm *vm = vm_of(L);
    size_t cost;

    b->mark = mark;
    b->counted = 0;
    buf_init(&b->content, 0);
    luaL_getmetatable(L, BYTES_CLASS);
    lua_setmetatable(L, -2);
    if (vm) {
        cost = from->data ? mem_cost(from->data) : 0;
        vm_add_outside(vm, cost);
        b->counted = cost;
    }
    b->content = *from;
    buf_init(from, 0);
}

static struct buf *check(lua_State *L)
{
    struct buf *b = bytes_at(L, 1);

    if (!b)
        luaL_argerror(L, 1, "the body of an answer, made with as_value, is expected");
    if (b->failed)
        luaL_argerror(L, 1, "this body was returned by a getter, and is the value of a key now");
    return b;
}

/* From the byte `first` on, at most `n`, as a string. */
static int push(lua_State *L, const struct buf *b, size_t first, size_t n)
{
    struct vm *vm = vm_of(L);

    if (vm)
        vm_make_room(vm, n);
    lua_pushlstring(L, n ? b->data + first : "", n);
    return 1;
}

static int l_text(lua_State *L)
{
    const struct buf *b = check(L);

    return push(L, b, 0, b->len);
}

/* bytes:sub(i, j) as that of strings */
static int l_sub(lua_State *L)
{
    const struct buf *b = check(L);
    lua_Integer len = (lua_Integer)b->len;
    lua_Integer i = luaL_checkinteger(L, 2), j = luaL_optinteger(L, 3, -1);

    i = i < 0 ? len + i + 1 : i;
    j = j < 0 ? len + j + 1 : j;
    i = i < 1 ? 1 : i;
    j = j > len ? len : j;
    return push(L, b, (size_t)(i - 1), i <= j ? (size_t)(j - i + 1) : 0);
}

static int l_len(lua_State *L)
{
    lua_pushnumber(L, (lua_Number)check(L)->len);
    return 1;
}

static int l_gc(lua_State *L)
{
    struct bytes *b = lua_touserdata(L, 1);
    struct vm *vm = vm_of(L);

    if (vm)
        vm_sub_outside(vm, b->counted);
    b->counted = 0;
    buf_deinit(&b->content);
    return 0;
}

static const luaL_Reg methods[] = {
    {"sub", l_sub}, {"__len", l_len}, {"__tostring", l_text}, {"__gc", l_gc}, {NULL, NULL},
};

const struct luaL_Reg *bytes_methods(void)
{
    return methods;
}
