/* SPDX-License-Identifier: MIT */
#include "script/check.h"

#include <lauxlib.h>
#include <lua.h>
#include <stdarg.h>

#include "script/task.h"
#include "script/vm.h"

/* Levels of the stack, above the C function. */
enum { CALLER = 1, CALLERS_CALLER };

static void raise_at(lua_State *L, int level, const char *fmt, va_list ap)
{
    luaL_where(L, level);
    lua_pushvfstring(L, fmt, ap);
    lua_concat(L, 2);
    lua_error(L);
}

int check_raise(lua_State *L, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    raise_at(L, CALLERS_CALLER, fmt, ap); /* the caller is the API's own Lua function */
    va_end(ap);
    return 0;
}

static void refuse(lua_State *L, int level, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    raise_at(L, level, fmt, ap);
    va_end(ap);
}

static struct task *to_run(lua_State *L, int level, const char *what)
{
    struct vm *vm = vm_of(L);
    struct task *t = vm ? vm_current(vm) : NULL;

    if (!t)
        refuse(L, level, "%s waits, and only a getter or a background function can wait", what);
    else if (t->kind->cannot_wait)
        refuse(L, level, "%s waits, and %s cannot", what, t->kind->noun);
    return t;
}

void check_can_wait(lua_State *L, const char *what)
{
    to_run(L, CALLERS_CALLER, what);
}

int check_may_wait(struct vm *vm, lua_State *L)
{
    const struct task *t = vm_current(vm);

    return t && !t->kind->cannot_wait && t->current->co == L && lua_isyieldable(L);
}

static struct strand *to_wait(lua_State *L, int level, const char *what)
{
    struct task *t = to_run(L, level, what);

    if (t->current->co != L)
        refuse(L, level, "%s waits, and a coroutine that a getter made cannot", what);
    if (!lua_isyieldable(L))
        refuse(L, level,
               "%s waits, and cannot inside groupcache.critical, table.sort, string.gsub or "
               "another C function",
               what);
    return t->current;
}

struct strand *check_to_wait(lua_State *L, const char *what)
{
    return to_wait(L, CALLERS_CALLER, what);
}

struct strand *check_to_wait_here(lua_State *L, const char *what)
{
    return to_wait(L, CALLER, what);
}
