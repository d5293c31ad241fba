/* SPDX-License-Identifier: MIT */
#include "script/loop.h"

#include <lauxlib.h>
#include <lua.h>
#include <math.h>

#include "base/clock.h"
#include "base/mem.h"
#include "script/interrupt.h"
#include "script/trace.h"
#include "script/vm.h"

enum {
    OUTSIDER_MS = 1000, /* as long as a finalizer has */
    RETRY_MS = 100      /* after poll() has failed */
};

struct loop {
    struct vm *vm;
    int go, step, poll, close; /* the module's functions, in the registry */
    int left;                  /* a parked strand has ended since the last step() */
    unsigned outsiders;        /* outsiders that run, one inside another */
    int overrun;               /* an outsider was told to end */
    int closing;               /* close() runs: the callbacks are its own */
    int closed;                /* no callback runs any more */
    const char *name;          /* while it is opened */
};

/* --- opening --- */

static int take(lua_State *L, const char *name)
{
    lua_getfield(L, -1, name);
    return luaL_ref(L, LUA_REGISTRYINDEX);
}

/* Protected. */
static int open_body(lua_State *L)
{
    struct loop *loop = lua_touserdata(L, 1);

    lua_getglobal(L, "require");
    lua_pushfstring(L, "groupcache.loop.%s", loop->name);
    lua_call(L, 1, 1);
    loop->go = take(L, "go");
    loop->step = take(L, "step");
    loop->poll = take(L, "poll");
    loop->close = take(L, "close");
    return 0;
}

struct loop *loop_open(struct vm *vm, const char *name, struct error *e)
{
    struct loop *loop = mem_zalloc(sizeof(*loop));
    lua_State *L = vm_state(vm);

    loop->vm = vm;
    loop->name = name;
    if (!lua_cpcall(L, open_body, loop))
        return loop;
    error_set(e, ERR_INVAL, "%s", lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : name);
    lua_pop(L, 1);
    mem_free(loop);
    return NULL;
}

void loop_free(struct loop *loop)
{
    mem_free(loop);
}

/* --- calling the module --- */

struct call {
    struct loop *loop;
    int handle_ref, co_ref;
    int fd, wait_ms;
};

/* Called by the VM's own loop, so no other Lua code is running. */
static int call(struct call *c, lua_CFunction body)
{
    struct vm *vm = c->loop->vm;
    lua_State *L = vm_state(vm);
    int failed;

    vm_watch_until(vm, clock_ms() + OUTSIDER_MS);
    failed = lua_cpcall(L, body, c);
    if (failed) {
        trace_thrown(L, L, "the event loop threw", "");
        lua_pop(L, 1);
    }
    vm_watch_until(vm, 0);
    vm_recover(vm, 0);
    return !failed;
}

static int go_body(lua_State *L)
{
    struct call *c = lua_touserdata(L, 1);

    lua_rawgeti(L, LUA_REGISTRYINDEX, c->loop->go);
    lua_rawgeti(L, LUA_REGISTRYINDEX, c->handle_ref);
    lua_rawgeti(L, LUA_REGISTRYINDEX, c->co_ref);
    lua_call(L, 2, 0);
    return 0;
}

static int step_body(lua_State *L)
{
    struct call *c = lua_touserdata(L, 1);

    lua_rawgeti(L, LUA_REGISTRYINDEX, c->loop->step);
    lua_pushboolean(L, c->loop->left);
    c->loop->left = 0;
    lua_call(L, 1, 0);
    return 0;
}

static int poll_body(lua_State *L)
{
    struct call *c = lua_touserdata(L, 1);

    lua_rawgeti(L, LUA_REGISTRYINDEX, c->loop->poll);
    lua_call(L, 0, 2);
    c->fd = (int)luaL_optnumber(L, -2, -1);
    if (!lua_isnil(L, -1)) {
        double ms = ceil(luaL_checknumber(L, -1) * 1000);

        c->wait_ms = ms < 0 ? 0 : ms < 1e9 ? (int)ms : -1;
    }
    return 0;
}

static int close_body(lua_State *L)
{
    struct call *c = lua_touserdata(L, 1);

    lua_rawgeti(L, LUA_REGISTRYINDEX, c->loop->close);
    lua_call(L, 0, 0);
    return 0;
}

int loop_go(struct loop *loop, int handle_ref, int co_ref)
{
    struct call c = {.loop = loop, .handle_ref = handle_ref, .co_ref = co_ref};

    return call(&c, go_body);
}

void loop_step(struct loop *loop)
{
    struct call c = {.loop = loop};

    call(&c, step_body);
}

void loop_poll(struct loop *loop, int *fd, int *wait_ms)
{
    struct call c = {.loop = loop, .fd = -1, .wait_ms = -1};

    if (!call(&c, poll_body))
        c.wait_ms = RETRY_MS;
    *fd = c.fd;
    *wait_ms = c.wait_ms;
}

void loop_close(struct loop *loop)
{
    struct call c = {.loop = loop};

    loop->closing = 1;
    call(&c, close_body);
    loop_let_go(loop);
}

void loop_let_go(struct loop *loop)
{
    loop->closing = 0;
    loop->closed = 1;
}

void loop_note_left(struct loop *loop)
{
    if (loop)
        loop->left = 1;
}

/* --- outsiders --- */

uint64_t loop_until_ms(const struct loop *loop)
{
    return loop ? clock_ms() + OUTSIDER_MS : 0;
}

void loop_enter(struct loop *loop)
{
    loop->outsiders++;
    vm_watch_until(loop->vm, clock_ms() + OUTSIDER_MS);
}

void loop_leave(struct loop *loop)
{
    loop->outsiders--;
    if (loop->overrun)
        interrupt_rest(vm_interrupt(loop->vm)); /* the hook stopped every instruction until here */
    loop->overrun = 0;
    vm_watch_until(loop->vm, clock_ms() + OUTSIDER_MS);
}

int loop_overrun(struct loop *loop)
{
    if (!loop || !loop->outsiders)
        return 0;
    if (vm_quitting(loop->vm) || vm_stuck(loop->vm, clock_ms(), 0))
        loop->overrun = 1;
    return loop->overrun;
}

int loop_callback(lua_State *L, int nargs, int nresults, int flags)
{
    struct vm *vm = vm_of(L);
    struct loop *loop = vm_loop(vm);
    int base = lua_gettop(L) - nargs - 1, status;
    int outsider = loop && !loop->closing && !vm_current(vm);

    (void)flags;
    if (loop && loop->closed) {
        lua_settop(L, base);
        return -LUA_ERRRUN;
    }
    if (outsider)
        loop_enter(loop);
    status = lua_pcall(L, nargs, nresults, 0);
    if (outsider)
        loop_leave(loop);
    if (!status)
        return lua_gettop(L) - base;
    trace_thrown(L, L, "a callback of the event loop threw", "");
    lua_settop(L, base);
    vm_recover(vm, 1);
    return -status;
}
