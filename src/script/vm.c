/* SPDX-License-Identifier: MIT */
/* vm.c - the state, its allocator, the run of the script. */
#include "script/vm.h"

#include <lauxlib.h>
#include <lua.h>
#include <luajit.h>
#include <lualib.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/signals.h"
#include "script/cpu.h"
#include "script/defs.h"
#include "script/interrupt.h"

enum {
    DEFAULT_BYTES = 64 << 20,
    COLLECT_MS = 1000,
    LOOK_EVERY = 1000000 /* instructions of a script that is being loaded: some 10 ms */
};

struct vm {
    struct vm_opts opts; /* set once; strings are ours */
    lua_State *L;
    size_t bytes;                 /* of the Lua heap */
    int refused;                  /* an allocation was refused since the last collection */
    void (*forget)(lua_State *L); /* vm_on_short(), or NULL */
    size_t outside;               /* of values whose bytes are outside of the heap */
    size_t least;                 /* bytes that were left at the last collection for want of room */
    size_t outside_least;         /* as many were left at the last collection for their sake */
    struct defs *defs;
    int settings_ref;
    int defining;       /* the script is being run */
    int settled;        /* of a control VM: the settings are known */
    char *script_error; /* owned: the whole message if it was cut, or NULL */
    char *jit_refusal;  /* owned, or NULL */
    struct inbox *inbox;
    struct timers timers;
    struct list tasks;
    struct list aside;
    struct task *current;
    struct cpu cpu;
    struct loop *loop;   /* borrowed, or NULL */
    atomic_int quitting; /* running code must end */
    atomic_uint ops;     /* under way elsewhere */
    struct interrupt interrupt;
};

static const char registry_key; /* its address is the VM's key in a state's registry */

/* --- the heap --- */

static void *vm_alloc(void *arg, void *p, size_t old, size_t n)
{
    struct vm *vm = arg;
    void *q;

    if (!p)
        old = 0; /* LuaJIT passes other things here */
    if (n == 0) {
        vm->bytes -= old;
        free(p);
        return NULL;
    }
    if (n > old && vm->bytes + (n - old) > vm->opts.vm_bytes) {
        vm->refused = 1;
        return NULL;
    }
    q = vm->L ? realloc(p, n) : mem_resize(p, n); /* LuaJIT crashes if lua_newstate() fails */
    if (q)
        vm->bytes += n - old;
    else
        vm->refused = 1;
    return q;
}

/* Finalizers are a script's code, which no hook stops: outside of a task they have this long. */
static void collect(struct vm *vm)
{
    int watched = interrupt_until(&vm->interrupt) != 0;

    vm->refused = 0;
    if (!watched)
        vm_watch_until(vm, clock_ms() + COLLECT_MS);
    if (vm->forget)
        vm->forget(vm->L);
    lua_gc(vm->L, LUA_GCCOLLECT, 0);
    vm->least = vm->bytes;
    if (!watched)
        vm_watch_until(vm, 0);
}

uint64_t vm_most_bytes(const struct vm *vm)
{
    return vm->opts.vm_bytes;
}

void vm_on_short(struct vm *vm, void (*forget)(lua_State *L))
{
    vm->forget = forget;
}

int vm_may_keep(const struct vm *vm, size_t bytes)
{
    return vm->bytes + bytes < vm->opts.vm_bytes / 4;
}

/* Since the last collection a quarter of what it had left free may have become garbage: so a heap
 * that is full of live values is not collected for each value that comes. */
void vm_make_room(struct vm *vm, size_t bytes)
{
    size_t all = vm->opts.vm_bytes, wanted = vm->bytes + bytes;

    if (wanted > all || (wanted > all / 4 * 3 && wanted > vm->least + (all - vm->least) / 4))
        collect(vm);
}

void vm_add_outside(struct vm *vm, size_t bytes)
{
    if (vm->outside + bytes > vm->opts.vm_bytes + vm->outside_least) {
        collect(vm);
        vm->outside_least = vm->outside;
    }
    vm->outside += bytes;
}

void vm_sub_outside(struct vm *vm, size_t bytes)
{
    vm->outside -= bytes;
}

void vm_recover(struct vm *vm, int again)
{
    if (!vm->refused)
        return;
    collect(vm);
    vm->refused = again;
}

/* --- life --- */

struct vm *vm_of(lua_State *L)
{
    struct vm *vm;

    lua_pushlightuserdata(L, (void *)(size_t)&registry_key);
    lua_rawget(L, LUA_REGISTRYINDEX);
    vm = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return vm;
}

static void set_field(lua_State *L, const char *name, const char *value)
{
    if (!value)
        return;
    lua_pushstring(L, value);
    lua_setfield(L, -2, name);
}

/* Lua then ends the process without a message of its own. */
static int on_panic(lua_State *L)
{
    const char *msg = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : luaL_typename(L, -1);

    char quoted[1000];

    log_error("script", "an error outside of any protected call", "vm=%s error=%s",
              vm_name(vm_of(L)), log_quote(quoted, sizeof(quoted), msg, strlen(msg)));
    return 0;
}

/* LuaJIT's random numbers are the same in each state: the seed makes VMs, nodes and reloads differ.
 */
static void seed_random(lua_State *L)
{
    static atomic_uint made;
    uint64_t of[2] = {clock_ns(), atomic_fetch_add(&made, 1)};

    lua_getglobal(L, "math");
    lua_getfield(L, -1, "randomseed");
    lua_pushnumber(L,
                   (double)(hash_table(of, sizeof(of)) >> 11)); /* as many bits as a double has */
    lua_call(L, 1, 0);
    lua_pop(L, 1);
}

/* Protected. */
static int open_body(lua_State *L)
{
    struct vm *vm = lua_touserdata(L, 1);

    luaL_openlibs(L);
    seed_random(L);
    /* luaL_unref() would make the head of its list of free places when a task first ends. The heap
     * may be full then, and the call is not protected. 0 means an empty list, as nil does, and
     * makes the head now. */
    lua_pushinteger(L, 0);
    lua_rawseti(L, LUA_REGISTRYINDEX, 0);
    lua_pushlightuserdata(L, (void *)(size_t)&registry_key);
    lua_pushlightuserdata(L, vm);
    lua_rawset(L, LUA_REGISTRYINDEX);
    lua_atpanic(L, on_panic);
    lua_getglobal(L, "package");
    set_field(L, "path", vm->opts.path);
    set_field(L, "cpath", vm->opts.cpath);
    lua_getfield(L, -1, "preload");
    lua_pushcfunction(L, vm->opts.open);
    lua_setfield(L, -2, "groupcache.core");
    if (!vm->opts.jit)
        luaJIT_setmode(L, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_OFF);
    return 0;
}

struct vm *vm_new(const struct vm_opts *o, struct error *e)
{
    struct vm *vm = mem_zalloc(sizeof(*vm));

    vm->opts = *o;
    vm->opts.name = mem_strdup(o->name);
    vm->opts.path = o->path ? mem_strdup(o->path) : NULL;
    vm->opts.cpath = o->cpath ? mem_strdup(o->cpath) : NULL;
    vm->opts.prelude = o->prelude ? mem_strdup(o->prelude) : NULL;
    if (!o->vm_bytes)
        vm->opts.vm_bytes = DEFAULT_BYTES;
    vm->settings_ref = LUA_NOREF;
    vm->defs = defs_new();
    list_init(&vm->tasks);
    list_init(&vm->aside);
    timers_init(&vm->timers);
    vm->inbox = inbox_new(e);
    if (!vm->inbox)
        goto failed;
    vm->L = lua_newstate(vm_alloc, vm);
    if (!vm->L || lua_cpcall(vm->L, open_body, vm)) {
        error_set(e, ERR_NOMEM, "no Lua VM fits into vm_bytes, which is %zu bytes",
                  (size_t)vm->opts.vm_bytes);
        goto failed;
    }
    return vm;

failed:
    vm_free(vm);
    return NULL;
}

void vm_free(struct vm *vm)
{
    if (!vm)
        return;
    if (vm->L)
        lua_close(vm->L);
    timers_deinit(&vm->timers);
    inbox_free(vm->inbox);
    defs_free(vm->defs);
    mem_free((char *)(size_t)vm->opts.name);
    mem_free((char *)(size_t)vm->opts.path);
    mem_free((char *)(size_t)vm->opts.cpath);
    mem_free((char *)(size_t)vm->opts.prelude);
    mem_free(vm->jit_refusal);
    mem_free(vm->script_error);
    mem_free(vm);
}

struct script_run {
    struct vm *vm;
    const char *path, *text;
    size_t n;
};

/* Runs while a script is loaded, so that a signal can end the node before the script has ended. */
static void script_hook(lua_State *L, lua_Debug *ar)
{
    (void)ar;
    if (signals_stop_asked())
        luaL_error(L, "the script was interrupted by a signal");
}

static int to_text(lua_State *L)
{
    if (lua_type(L, 1) != LUA_TSTRING)
        lua_pushfstring(L, "the script threw a %s", luaL_typename(L, 1));
    return 1;
}

/* Protected: runs the prelude and the script, keeps the table it returns. */
static int script_body(lua_State *L)
{
    struct script_run *run = lua_touserdata(L, 1);

    lua_pushcfunction(L, to_text);
    if (run->vm->opts.prelude) {
        lua_getglobal(L, "require");
        lua_pushstring(L, run->vm->opts.prelude);
        if (lua_pcall(L, 1, 0, 2))
            return lua_error(L);
    }
    lua_pushfstring(L, "@%s", run->path);
    if (luaL_loadbufferx(L, run->text, run->n, lua_tostring(L, -1), "t"))
        return lua_error(L);
    if (lua_pcall(L, 0, 1, 2))
        return lua_error(L);
    if (!lua_isnil(L, -1) && !lua_istable(L, -1))
        return luaL_error(L, "%s must return a table of settings or nothing, and returned a %s",
                          run->path, luaL_typename(L, -1));
    run->vm->settings_ref = luaL_ref(L, LUA_REGISTRYINDEX);
    return 0;
}

enum err vm_run_more(struct vm *vm, const char *path, int (*body)(lua_State *L), void *arg,
                     struct error *e)
{
    const char *msg;
    int failed;

    vm->defining = 1;
    lua_sethook(vm->L, script_hook, LUA_MASKCOUNT, LOOK_EVERY);
    vm->refused = 0;
    failed = lua_cpcall(vm->L, body, arg);
    vm->defining = 0;
    lua_sethook(vm->L, NULL, 0, 0);
    if (!failed)
        return ERR_OK;
    msg = lua_type(vm->L, -1) == LUA_TSTRING ? lua_tostring(vm->L, -1) : "out of memory";
    if (vm->refused && strcmp(msg, "not enough memory") == 0)
        error_set(e, ERR_INVAL, "%s: not enough memory: it needs more than %zu bytes, see vm_bytes",
                  path, (size_t)vm->opts.vm_bytes);
    else
        error_set(e, ERR_INVAL, "%s", msg);
    mem_free(vm->script_error);
    vm->script_error = strlen(msg) < sizeof(e->msg) ? NULL : mem_strdup(msg);
    lua_pop(vm->L, 1);
    return e->code;
}

enum err vm_run_script(struct vm *vm, const char *path, const char *text, size_t n, struct error *e)
{
    struct script_run run = {vm, path, text, n};

    return vm_run_more(vm, path, script_body, &run, e);
}

const char *vm_script_error(const struct vm *vm)
{
    return vm->script_error;
}

/* --- late code --- */

int vm_stuck(const struct vm *vm, uint64_t now_ms, uint64_t grace_ms)
{
    uint64_t until_ms = interrupt_until(&vm->interrupt);

    return until_ms && now_ms > until_ms + grace_ms;
}

void vm_quit(struct vm *vm)
{
    atomic_store(&vm->quitting, 1);
    interrupt_all(&vm->interrupt);
}

int vm_quitting(const struct vm *vm)
{
    return atomic_load_explicit(&vm->quitting, memory_order_relaxed);
}

/* --- parts of a VM --- */

lua_State *vm_state(struct vm *vm)
{
    return vm->L;
}

int vm_defining(const struct vm *vm)
{
    return vm->defining;
}

int vm_is_control(const struct vm *vm)
{
    return vm->opts.control;
}

void vm_settle(struct vm *vm, const struct vm_opts *o)
{
#define X(type, name) vm->opts.name = o->name;
    VM_SETTINGS(X)
#undef X
    if (!vm->opts.vm_bytes)
        vm->opts.vm_bytes = DEFAULT_BYTES;
    vm->opts.net = o->net;
    vm->opts.groups = o->groups;
    vm->opts.changes = o->changes;
    vm->opts.spans = o->spans;
    vm->opts.node = o->node;
    vm->settled = 1;
    if (o->jit)
        luaJIT_setmode(vm->L, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_ON);
}

int vm_wants_jit(struct vm *vm, const char *refusal)
{
    int unknown = vm->opts.control && !vm->settled;

    if (unknown && !vm->jit_refusal)
        vm->jit_refusal = mem_strdup(refusal);
    return unknown || vm->opts.jit;
}

const char *vm_jit_refusal(const struct vm *vm)
{
    return vm->jit_refusal;
}

struct defs *vm_defs(struct vm *vm)
{
    return vm->defs;
}

struct inbox *vm_inbox(struct vm *vm)
{
    return vm->inbox;
}

struct interrupt *vm_interrupt(struct vm *vm)
{
    return &vm->interrupt;
}

struct timers *vm_timers(struct vm *vm)
{
    return &vm->timers;
}

struct net *vm_net(struct vm *vm)
{
    return vm->opts.net;
}

struct spans *vm_spans(struct vm *vm)
{
    return vm->opts.spans;
}

struct groups *vm_groups(struct vm *vm)
{
    return vm->opts.groups;
}

struct loop *vm_loop(const struct vm *vm)
{
    return vm->loop;
}

void vm_set_loop(struct vm *vm, struct loop *loop)
{
    vm->loop = loop;
}

struct node *vm_node(struct vm *vm)
{
    return vm->opts.node;
}

struct changes *vm_changes(struct vm *vm)
{
    return vm->opts.changes;
}

size_t vm_max_key_bytes(const struct vm *vm)
{
    return vm->opts.max_key_bytes;
}

const char *vm_name(const struct vm *vm)
{
    return vm->opts.name;
}

struct task *vm_current(struct vm *vm)
{
    return vm->current;
}

void vm_watch_until(struct vm *vm, uint64_t deadline_ms)
{
    interrupt_at(&vm->interrupt, deadline_ms, deadline_ms);
}

void vm_set_current(struct vm *vm, struct task *t, uint64_t deadline_ms, uint64_t look_ms)
{
    vm->current = t;
    interrupt_at(&vm->interrupt, deadline_ms, look_ms);
}

void vm_op_begins(struct vm *vm)
{
    atomic_fetch_add_explicit(&vm->ops, 1, memory_order_relaxed);
}

void vm_op_ends(struct vm *vm)
{
    atomic_fetch_sub_explicit(&vm->ops, 1, memory_order_release);
}

unsigned vm_ops(const struct vm *vm)
{
    return atomic_load(&vm->ops);
}

struct list *vm_tasks(struct vm *vm)
{
    return &vm->tasks;
}

struct list *vm_aside(struct vm *vm)
{
    return &vm->aside;
}

struct cpu *vm_cpu(struct vm *vm)
{
    return &vm->cpu;
}

void vm_push_settings(struct vm *vm)
{
    if (vm->settings_ref == LUA_NOREF)
        lua_pushnil(vm->L);
    else
        lua_rawgeti(vm->L, LUA_REGISTRYINDEX, vm->settings_ref);
}
