/* SPDX-License-Identifier: MIT */
#include "bind/which.h"

#include <lauxlib.h>

#include "bind/handle.h"
#include "cache/groups.h"
#include "script/check.h"
#include "script/task.h"
#include "script/vm.h"

struct vm *which_vm(lua_State *L, const char *what)
{
    struct vm *vm = vm_of(L);

    if (!vm)
        check_raise(L, "%s belongs into a node script, which groupcached runs", what);
    return vm;
}

struct group *which_group(lua_State *L, const char *what, struct changes **changes)
{
    size_t name_len;
    const char *name;
    struct groups *groups;
    struct group *group;
    struct vm *vm;

    if (lua_type(L, 1) == LUA_TUSERDATA)
        return handle_group(L, changes);
    name = luaL_checklstring(L, 1, &name_len);
    vm = which_vm(L, what);
    groups = vm_groups(vm);
    group = groups ? groups_find(groups, name, name_len) : NULL;
    if (!group)
        check_raise(L, "group \"%s\" is not part of the running node", name);
    if (changes)
        *changes = vm_changes(vm);
    return group;
}
