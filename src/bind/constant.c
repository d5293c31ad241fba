/* SPDX-License-Identifier: MIT */
/* constant.c - groupcache.constant: the first VM of a script freezes a value (frozen.h), and each
 * VM reads it through views.
 *
 * A view is a userdata that stands for a table of the block. Its metatable is that of the constant
 * in this VM, and holds the root: a userdata with a reference to the block. A finalizer may use a
 * view after that of the root has run, so a view goes through the root. */
#include "bind/bind.h"

#include <lauxlib.h>
#include <lua.h>
#include <string.h>

#include "base/mem.h"
#include "bind/core.h"
#include "script/check.h"
#include "script/constants.h"
#include "script/defs.h"
#include "script/frozen.h"
#include "script/vm.h"

#define BIND_ROOT "groupcache.constant root"

struct root {
    struct frozen *f; /* a reference; NULL once collected */
};

struct view {
    struct root *root;
    uint64_t at;
};

/* In the metatable of views: the root, and a mark that it is one of ours. */
enum { PLACE_OF_ROOT = 1, PLACE_OF_MARK };

static const char mark;

/* --- making --- */

struct freezer {
    lua_State *L;
    struct frozen *f;
};

static void freeze(const struct freezer *z, int depth, struct frozen_value *out);

static void refuse_memory(const struct freezer *z)
{
    check_raise(z->L, "groupcache.constant: no memory for a constant of more than %f bytes",
                (double)frozen_bytes(z->f));
}

static void freeze_string(const struct freezer *z, struct frozen_value *out)
{
    size_t n;
    const char *bytes = lua_tolstring(z->L, -1, &n); /* its address is its identity */

    out->kind = FROZEN_STRING;
    out->n = (uint32_t)n;
    out->at = frozen_place(z->f, bytes);
    if (!out->at)
        out->at = frozen_put_string(z->f, bytes, bytes, n);
    if (!out->at)
        refuse_memory(z);
}

/* Whether the key below the top of the stack is in the list. */
static int is_listed(lua_State *L, size_t n_list)
{
    double i = lua_tonumber(L, -2);

    return lua_type(L, -2) == LUA_TNUMBER && i >= 1 && i <= (double)n_list &&
           (double)(size_t)i == i;
}

static void freeze_table(const struct freezer *z, int depth, struct frozen_value *out)
{
    lua_State *L = z->L;
    int table = lua_gettop(L);
    size_t n_list = lua_objlen(L, table), n_named = 0, i;
    struct frozen_value key, value;

    out->kind = FROZEN_TABLE;
    out->n = 0;
    out->at = frozen_place(z->f, lua_topointer(L, table));
    if (out->at)
        return;
    if (depth > CORE_MAX_DEPTH)
        check_raise(L,
                    "groupcache.constant: the tables of a constant are nested in %d levels at most",
                    CORE_MAX_DEPTH);
    luaL_checkstack(L, 6, "no room for a constant");
    for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1))
        n_named += !is_listed(L, n_list);
    out->at = frozen_put_table(z->f, lua_topointer(L, table), n_list, n_named);
    if (!out->at)
        refuse_memory(z);
    for (i = 1; i <= n_list; i++) {
        lua_rawgeti(L, table, (int)i);
        freeze(z, depth, &value);
        lua_pop(L, 1);
        frozen_set_item(z->f, out->at, i, &value);
    }
    if (!n_named)
        return;
    for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
        if (is_listed(L, n_list))
            continue;
        freeze(z, depth, &value);
        lua_pushvalue(L, -2);
        if (lua_istable(L, -1))
            check_raise(
                L,
                "groupcache.constant: a table is the key of a constant, and may be a value only");
        freeze(z, depth, &key);
        lua_pop(L, 1);
        frozen_set_named(z->f, out->at, &key, &value);
    }
}

/* The value on top of the stack. Raises. */
static void freeze(const struct freezer *z, int depth, struct frozen_value *out)
{
    memset(out, 0, sizeof(*out));
    switch (lua_type(z->L, -1)) {
    case LUA_TNIL:
        break;
    case LUA_TBOOLEAN:
        out->kind = FROZEN_BOOLEAN;
        out->n = (uint32_t)lua_toboolean(z->L, -1);
        break;
    case LUA_TNUMBER:
        out->kind = FROZEN_NUMBER;
        out->number = lua_tonumber(z->L, -1);
        break;
    case LUA_TLIGHTUSERDATA:
        out->kind = FROZEN_POINTER;
        out->pointer = lua_touserdata(z->L, -1);
        break;
    case LUA_TSTRING:
        freeze_string(z, out);
        break;
    case LUA_TTABLE:
        freeze_table(z, depth + 1, out);
        break;
    default:
        check_raise(
            z->L,
            "groupcache.constant: a constant has a %s, and may have tables, strings, numbers and "
            "booleans",
            luaL_typename(z->L, -1));
    }
}

/* --- reading --- */

static int l_root_gc(lua_State *L)
{
    struct root *r = luaL_checkudata(L, 1, BIND_ROOT);
    struct frozen *f = r->f;

    r->f = NULL;
    frozen_unref(f);
    return 0;
}

/* Pushes a value of the block. `class` is the index of the metatable of its views. */
static void push(lua_State *L, struct root *r, const struct frozen_value *v, int class)
{
    struct view *view;

    switch (v->kind) {
    case FROZEN_BOOLEAN:
        lua_pushboolean(L, (int)v->n);
        break;
    case FROZEN_NUMBER:
        lua_pushnumber(L, v->number);
        break;
    case FROZEN_POINTER:
        lua_pushlightuserdata(L, (void *)(size_t)v->pointer);
        break;
    case FROZEN_STRING:
        lua_pushlstring(L, frozen_string(r->f, v), v->n);
        break;
    case FROZEN_TABLE:
        view = lua_newuserdata(L, sizeof(*view));
        *view = (struct view){r, v->at};
        lua_pushvalue(L, class);
        lua_setmetatable(L, -2);
        break;
    default:
        lua_pushnil(L);
    }
}

/* The view at index 1, whose metatable is then on top of the stack. NULL: it is none, and nothing
 * was pushed. */
static struct view *view_at_1(lua_State *L)
{
    struct view *view = NULL;

    if (lua_type(L, 1) != LUA_TUSERDATA || !lua_getmetatable(L, 1))
        return NULL;
    lua_rawgeti(L, -1, PLACE_OF_MARK);
    if (lua_touserdata(L, -1) == (void *)(size_t)&mark)
        view = lua_touserdata(L, 1);
    lua_pop(L, view ? 1 : 2);
    return view;
}

static struct view *check_view(lua_State *L)
{
    struct view *view = view_at_1(L);

    if (!view || !view->root->f)
        luaL_error(L, "groupcache.constant: no table of a constant, or the constant is freed");
    return view;
}

/* The key at index 2; 0: no constant has such a key. */
static int key_at_2(lua_State *L, struct frozen_value *key, const char **bytes)
{
    size_t n;

    memset(key, 0, sizeof(*key));
    *bytes = NULL;
    switch (lua_type(L, 2)) {
    case LUA_TSTRING:
        *bytes = lua_tolstring(L, 2, &n);
        key->kind = FROZEN_STRING;
        key->n = (uint32_t)n;
        return 1;
    case LUA_TNUMBER:
        key->kind = FROZEN_NUMBER;
        key->number = lua_tonumber(L, 2);
        return 1;
    case LUA_TBOOLEAN:
        key->kind = FROZEN_BOOLEAN;
        key->n = (uint32_t)lua_toboolean(L, 2);
        return 1;
    case LUA_TLIGHTUSERDATA:
        key->kind = FROZEN_POINTER;
        key->pointer = lua_touserdata(L, 2);
        return 1;
    default:
        return 0;
    }
}

static int l_view_index(lua_State *L)
{
    const struct view *view = check_view(L);
    struct frozen_value key;
    const char *bytes;

    if (!key_at_2(L, &key, &bytes))
        return 0;
    push(L, view->root, frozen_get(view->root->f, view->at, &key, bytes), lua_gettop(L));
    return 1;
}

static int l_view_len(lua_State *L)
{
    const struct view *view = check_view(L);

    lua_pushnumber(L, (double)frozen_length(view->root->f, view->at));
    return 1;
}

static int l_view_newindex(lua_State *L)
{
    return luaL_error(L, "groupcache.constant: a constant cannot be changed");
}

static int l_view_eq(lua_State *L)
{
    const struct view *a = lua_touserdata(L, 1), *b = lua_touserdata(L, 2);

    lua_pushboolean(L, a->root == b->root && a->at == b->at);
    return 1;
}

/* core.constant_next(view, key or nil) -> the key behind it and its value | nil */
static int l_constant_next(lua_State *L)
{
    const struct frozen_value *value;
    struct frozen_value key, next;
    const struct view *view;
    const char *bytes;
    int class;

    lua_settop(L, 2); /* like next(), it may be called without a key */
    view = check_view(L);
    class = lua_gettop(L);
    if ((!key_at_2(L, &key, &bytes) && !lua_isnoneornil(L, 2)) ||
        !frozen_next(view->root->f, view->at, &key, bytes, &next, &value))
        return 0;
    push(L, view->root, &next, class);
    push(L, view->root, value, class);
    return 2;
}

/* core.is_constant(value) -> whether it is a table of a constant */
static int l_is_constant(lua_State *L)
{
    lua_pushboolean(L, view_at_1(L) != NULL);
    return 1;
}

/* --- the functions --- */

/* Pushes the root userdata, which is empty, and the metatable of views. */
static struct root *new_root(lua_State *L)
{
    static const luaL_Reg methods[] = {{"__index", l_view_index},
                                       {"__newindex", l_view_newindex},
                                       {"__len", l_view_len},
                                       {"__eq", l_view_eq},
                                       {NULL, NULL}};
    struct root *r = lua_newuserdata(L, sizeof(*r));

    r->f = NULL;
    luaL_getmetatable(L, BIND_ROOT);
    lua_setmetatable(L, -2);
    lua_newtable(L);
    luaL_setfuncs(L, methods, 0);
    lua_pushliteral(L, "groupcache.constant");
    lua_setfield(L, -2, "__metatable");
    lua_pushvalue(L, -2);
    lua_rawseti(L, -2, PLACE_OF_ROOT);
    lua_pushlightuserdata(L, (void *)(size_t)&mark);
    lua_rawseti(L, -2, PLACE_OF_MARK);
    return r;
}

/* core.constant_find(where, nth) -> true and the constant of the nth call at that place | false:
 * this VM is to make it | nil, message, code. In a program, each is to be made. */
static int l_constant_find(lua_State *L)
{
    const char *where = luaL_checkstring(L, 1);
    size_t nth = (size_t)luaL_checkinteger(L, 2), *hint;
    struct vm *vm = vm_of(L);
    struct constants *all;
    struct root *r;
    struct error e;

    if (vm && !vm_defining(vm)) {
        error_set(&e, ERR_INVAL,
                  "groupcache.constant: to be called while the script runs, not later");
        return core_error(L, &e);
    }
    r = new_root(L);
    if (vm) {
        all = defs_constants(vm_defs(vm), &hint);
        r->f = constants_find(all, where, nth, hint);
    }
    lua_pushboolean(L, r->f != NULL);
    if (!r->f)
        return 1;
    push(L, r, frozen_root(r->f), lua_gettop(L) - 1);
    return 2;
}

/* core.constant_make(where, nth, value) -> the constant. Raises. */
static int l_constant_make(lua_State *L)
{
    const char *where = luaL_checkstring(L, 1);
    size_t nth = (size_t)luaL_checkinteger(L, 2), *hint;
    struct vm *vm = vm_of(L);
    struct root *r;
    struct frozen_value root;

    lua_settop(L, 3);
    if (lua_isnil(L, 3))
        check_raise(L, "groupcache.constant: the function has returned nil");
    r = new_root(L);
    r->f = frozen_new();
    if (!r->f)
        return check_raise(L, "groupcache.constant: no memory");
    lua_pushvalue(L, 3);
    freeze(&(struct freezer){L, r->f}, 0, &root);
    lua_pop(L, 1);
    frozen_seal(r->f, &root);
    if (vm)
        constants_add(defs_constants(vm_defs(vm), &hint), where, nth, r->f);
    push(L, r, frozen_root(r->f), lua_gettop(L));
    return 1;
}

static const luaL_Reg root_methods[] = {
    {"__gc", l_root_gc},
    {NULL, NULL},
};

void bind_constant_open(lua_State *L)
{
    core_new_class(L, BIND_ROOT, root_methods);
}

const luaL_Reg bind_constant[] = {
    {"constant_find", l_constant_find},
    {"constant_make", l_constant_make},
    {"constant_next", l_constant_next},
    {"is_constant", l_is_constant},
    {NULL, NULL},
};
