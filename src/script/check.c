/* SPDX-License-Identifier: MIT */
#include "script/check.h"

#include <lauxlib.h>
#include <lua.h>
#include <stdarg.h>

#include "script/task.h"
#include "script/vm.h"

int check_raise(lua_State *L, const char *fmt, ...)
{
    va_list ap;

    luaL_where(L, 2); /* 1 is the API's own Lua function */
    va_start(ap, fmt);
    lua_pushvfstring(L, fmt, ap);
    va_end(ap);
    lua_concat(L, 2);
    return lua_error(L);
}

void check_can_wait(lua_State *L, const char *what)
{
    struct vm *vm = vm_of(L);

    if (!vm || !vm_current(vm))
        check_raise(L, "%s waits, and only a getter or a background function can wait", what);
    if (vm_current(vm)->kind->cannot_wait)
        check_raise(L, "%s waits, and %s cannot", what, vm_current(vm)->kind->noun);
}

int check_may_wait(struct vm *vm, lua_State *L)
{
    const struct task *t = vm_current(vm);

    return t && !t->kind->cannot_wait && t->current->co == L && lua_isyieldable(L);
}

struct strand *check_to_wait(lua_State *L, const char *what)
{
    struct task *t;

    check_can_wait(L, what);
    t = vm_current(vm_of(L));
    if (t->current->co != L)
        check_raise(L, "%s waits, and a coroutine that a getter made cannot", what);
    if (!lua_isyieldable(L))
        check_raise(L,
                    "%s waits, and cannot inside groupcache.critical, table.sort, string.gsub or "
                    "another C function",
                    what);
    return t->current;
}
