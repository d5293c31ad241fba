/* SPDX-License-Identifier: MIT */
/* loop.c - the functions for the Lua side of another event loop, groupcache.loop. */
#include "bind/bind.h"

#include <lauxlib.h>
#include <lua.h>
#include <stddef.h>
#include <string.h>

#include "base/mem.h"
#include "bind/core.h"
#include "script/loop.h"
#include "script/op.h"
#include "script/task.h"
#include "script/trace.h"
#include "script/vm.h"

/* --- strands --- */

/* core.strand(fn) -> strand, coroutine: a new strand of the getter that runs */
static int l_strand(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    task_check_can_wait(L, "groupcache.spawn");
    task_spawn(L);
    return 2;
}

/* core.run(strand, ...) -> true and what it yielded to the loop; or nothing */
static int l_run(lua_State *L)
{
    return task_run(L);
}

/* core.strand_state(strand) -> "new", "running", "waiting", "parked" or "gone" */
static int l_strand_state(lua_State *L)
{
    lua_pushstring(L, task_strand_state(task_strand(L, 1)));
    return 1;
}

/* core.fail(strand, message): ends its getter */
static int l_fail(lua_State *L)
{
    struct strand *s = task_strand(L, 1);
    const char *msg = luaL_checkstring(L, 2);

    if (s)
        task_fail(s, msg);
    return 0;
}

/* core.drop(strand): the loop will not run it again */
static int l_drop(lua_State *L)
{
    struct strand *s = task_strand(L, 1);

    if (s)
        task_drop(s);
    return 0;
}

/* --- signals --- */

struct signal_op {
    struct op op;
    int over; /* fired or cancelled */
};

static void signal_free(struct op *op)
{
    mem_free(op);
}

static void signal_cancel(struct op *op)
{
    struct signal_op *s = (struct signal_op *)(void *)op;

    if (!s->over) {
        s->over = 1;
        op_drop(op);
    }
}

static const struct op_kind signal_kind = {signal_cancel, signal_free};

/* core.signal() -> op, which ends when it is fired. Raises where core.await() would: an op that has
 * no waiter and is never fired would keep the VM from ending. */
static int l_signal(lua_State *L)
{
    struct op **slot = core_new_op(L);
    struct signal_op *s;

    task_to_wait(L, "task:wait");
    s = mem_zalloc(sizeof(*s));
    op_init(&s->op, &signal_kind, vm_of(L));
    *slot = &s->op;
    return 1;
}

/* core.fire(op) */
static int l_fire(lua_State *L)
{
    struct op *op = core_check_op(L, 1);
    struct signal_op *s = (struct signal_op *)(void *)op;

    luaL_argcheck(L, op->kind == &signal_kind, 1, "not a signal");
    if (!s->over) {
        s->over = 1;
        op_finish(op);
    }
    return 0;
}

/* --- outsiders --- */

/* core.outside(coroutine, ...) -> as coroutine.resume(). An error is logged. */
static int l_outside(lua_State *L)
{
    lua_State *co = lua_tothread(L, 1);
    struct vm *vm = vm_of(L);
    struct loop *loop = vm ? vm_loop(vm) : NULL;
    int n = lua_gettop(L) - 1, status;

    luaL_argcheck(L, co && loop, 1, "a coroutine, in a VM with another loop");
    luaL_argcheck(L, lua_checkstack(co, n + LUA_MINSTACK), 1, "too many values");
    if (lua_status(co) != LUA_YIELD && !lua_isfunction(co, 1))
        return luaL_error(L, "cannot resume dead coroutine");
    lua_xmove(L, co, n);
    loop_enter(loop);
    status = lua_resume(co, lua_status(co) == LUA_YIELD ? n : lua_gettop(co) - 1);
    loop_leave(loop);
    if (status != 0 && status != LUA_YIELD) {
        trace_thrown(L, co, "a coroutine of the event loop threw", "");
        lua_pushboolean(L, 0);
        lua_xmove(co, L, 1);
        return 2;
    }
    n = lua_gettop(co);
    luaL_checkstack(L, n + 1, "too many values");
    lua_pushboolean(L, 1);
    lua_xmove(co, L, n);
    return n + 1;
}

/* core.loop_callback() -> the addresses of loop_callback() and of the VM's state */
static int l_loop_callback(lua_State *L)
{
    int (*function)(lua_State *, int, int, int) = loop_callback;
    struct vm *vm = vm_of(L);
    void *address;

    if (!vm)
        return luaL_error(L, "another event loop is for the VMs of a node");
    memcpy(&address, &function, sizeof(address));
    lua_pushlightuserdata(L, address);
    lua_pushlightuserdata(L, vm_state(vm));
    return 2;
}

/* core.loop_let_go(): no callback of the loop runs from now on */
static int l_loop_let_go(lua_State *L)
{
    struct vm *vm = vm_of(L);

    if (vm && vm_loop(vm))
        loop_let_go(vm_loop(vm));
    return 0;
}

void bind_loop_open(lua_State *L)
{
    static const luaL_Reg none[] = {{NULL, NULL}};

    core_new_class(L, TASK_STRAND, none);
}

const luaL_Reg bind_loop[] = {
    {"drop", l_drop},
    {"fail", l_fail},
    {"fire", l_fire},
    {"loop_callback", l_loop_callback},
    {"loop_let_go", l_loop_let_go},
    {"outside", l_outside},
    {"run", l_run},
    {"signal", l_signal},
    {"strand", l_strand},
    {"strand_state", l_strand_state},
    {NULL, NULL},
};
