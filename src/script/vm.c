/* SPDX-License-Identifier: MIT */
/* vm.c - the state, its allocator, the thread's loop.
 *
 * The loop is: run what came into the inbox, run what is due, sleep on the inbox's descriptor until
 * the next timer. All else happens in the messages: a load starts a task, an op that ended resumes
 * one. Another loop (loop.h) has its turn in each round, and its descriptor is slept on too. */
#include "script/vm.h"

#include <lauxlib.h>
#include <lua.h>
#include <luajit.h>
#include <lualib.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/signals.h"
#include "base/thread.h"
#include "cache/group.h"
#include "script/defs.h"
#include "script/interrupt.h"
#include "script/loop.h"
#include "script/task.h"

enum {
    DEFAULT_BYTES = 64 << 20,
    STACK_BYTES = 8 << 20, /* recursion through C functions takes 4 MiB before Lua's own bound ends
                            * it; guard.lua looks after those that would take more */
    COLLECT_MS = 1000,
    LOOK_EVERY = 1000000, /* instructions of a script that is being loaded: some 10 ms */
    WAKE_MS = 1000        /* specs move the clock: look at it now and then even when idle */
};

struct vm {
    struct vm_opts opts; /* set once; strings are ours */
    lua_State *L;
    size_t bytes; /* of the Lua heap */
    int refused;  /* more was asked for than it may have, since the last collection */
    struct defs *defs;
    int settings_ref;
    int defining;      /* the script is being run */
    char *jit_refusal; /* owned, or NULL */
    struct inbox *inbox;
    struct timers timers;
    struct list tasks;
    struct task *current;
    struct loop *loop;
    pthread_t thread;
    int started;      /* its maker's: there is a thread to join */
    atomic_int end;   /* enum vm_end */
    atomic_int ended; /* the thread is past its last touch of all this */
    atomic_uint busy; /* loads */
    atomic_uint ops;  /* under way elsewhere */
    struct interrupt interrupt;
};

static const char registry_key; /* its address finds the VM in a state's registry */

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
    if (n > old && vm->bytes + (n - old) > vm->opts.max_bytes) {
        vm->refused = 1;
        return NULL;
    }
    q = realloc(p, n);
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
    lua_gc(vm->L, LUA_GCCOLLECT, 0);
    if (!watched)
        vm_watch_until(vm, 0);
}

void vm_make_room(struct vm *vm, size_t bytes)
{
    if (vm->bytes + bytes > vm->opts.max_bytes / 4 * 3)
        collect(vm);
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

/* Lua then ends the process, and says nothing by itself. */
static int on_panic(lua_State *L)
{
    const char *msg = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : luaL_typename(L, -1);

    log_error("script", "an error outside of any protected call", "vm=%s error=\"%s\"",
              vm_name(vm_of(L)), msg);
    return 0;
}

/* Protected. */
static int open_body(lua_State *L)
{
    struct vm *vm = lua_touserdata(L, 1);

    luaL_openlibs(L);
    /* The head of luaL_unref()'s list of free places would be made when a task first ends: maybe
     * with a full heap, and outside of protected mode. As 0, which says that the list is empty as
     * nil does, it stays. */
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
    if (!o->max_bytes)
        vm->opts.max_bytes = DEFAULT_BYTES;
    vm->settings_ref = LUA_NOREF;
    vm->defs = defs_new();
    list_init(&vm->tasks);
    timers_init(&vm->timers);
    vm->inbox = inbox_new(e);
    if (!vm->inbox)
        goto failed;
    vm->L = lua_newstate(vm_alloc, vm);
    if (!vm->L || lua_cpcall(vm->L, open_body, vm)) {
        error_set(e, ERR_NOMEM, "%s: no memory for a Lua VM of at most %zu bytes", o->name,
                  vm->opts.max_bytes);
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
    loop_free(vm->loop);
    timers_deinit(&vm->timers);
    inbox_free(vm->inbox);
    defs_free(vm->defs);
    mem_free((char *)(size_t)vm->opts.name);
    mem_free((char *)(size_t)vm->opts.path);
    mem_free((char *)(size_t)vm->opts.cpath);
    mem_free((char *)(size_t)vm->opts.prelude);
    mem_free(vm->jit_refusal);
    mem_free(vm);
}

struct script_run {
    struct vm *vm;
    const char *path, *text;
    size_t n;
};

/* While a script is loaded: an operator who wants the node to end need not wait for it. */
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

enum err vm_run_script(struct vm *vm, const char *path, const char *text, size_t n, struct error *e)
{
    struct script_run run = {vm, path, text, n};
    const char *msg;
    int failed;

    vm->defining = 1;
    lua_sethook(vm->L, script_hook, LUA_MASKCOUNT, LOOK_EVERY);
    failed = lua_cpcall(vm->L, script_body, &run);
    vm->defining = 0;
    lua_sethook(vm->L, NULL, 0, 0);
    if (!failed)
        return ERR_OK;
    msg = lua_type(vm->L, -1) == LUA_TSTRING ? lua_tostring(vm->L, -1) : "out of memory";
    error_set(e, ERR_INVAL, "%s", msg);
    lua_pop(vm->L, 1);
    return e->code;
}

enum err vm_open_loop(struct vm *vm, const char *name, struct error *e)
{
    vm->loop = loop_open(vm, name, e);
    return vm->loop ? ERR_OK : e->code;
}

/* --- the thread --- */

static enum vm_end end_of(const struct vm *vm)
{
    return (enum vm_end)atomic_load_explicit(&vm->end, memory_order_relaxed);
}

/* Until a message comes, the next timer or something of the other loop is due. */
static void sleep_until_due(struct vm *vm)
{
    struct pollfd p[2] = {{.fd = inbox_fd(vm->inbox), .events = POLLIN}, {.events = POLLIN}};
    int wait_ms = timers_wait_ms(&vm->timers, clock_ms()), loop_ms = -1;

    if (vm->loop)
        loop_poll(vm->loop, &p[1].fd, &loop_ms);
    if (wait_ms < 0 || wait_ms > WAKE_MS)
        wait_ms = WAKE_MS;
    if (loop_ms >= 0 && loop_ms < wait_ms)
        wait_ms = loop_ms;
    poll(p, vm->loop ? 2 : 1, wait_ms);
}

static void *vm_main(void *arg)
{
    struct vm *vm = arg;

    interrupt_begin(&vm->interrupt);
    for (;;) {
        enum vm_end end = end_of(vm); /* before: what came until a VM retires is drained then */

        if (vm->loop)
            loop_step(vm->loop);
        inbox_hold();
        inbox_drain(vm->inbox);
        inbox_release();
        timers_run(&vm->timers, clock_ms());
        if (end >= VM_QUITS || (end == VM_RETIRES && list_empty(&vm->tasks)))
            break;
        if (end_of(vm) == end) /* that it was told to end may have been drained as well */
            sleep_until_due(vm);
    }
    inbox_close(vm->inbox);
    inbox_drain(vm->inbox);
    task_end_all(vm);
    timers_run(&vm->timers, UINT64_MAX); /* what no task waits for: its op ends with the VM */
    if (vm->loop)
        loop_close(vm->loop);
    interrupt_end(&vm->interrupt);
    atomic_store(&vm->ended, 1);
    return NULL;
}

enum err vm_start(struct vm *vm, struct error *e)
{
    if (!vm->opts.jit)
        interrupt_init(&vm->interrupt, vm->L, task_hook);
    if (thread_start(&vm->thread, vm->opts.name, STACK_BYTES, vm_main, vm, e))
        return e->code;
    vm->started = 1;
    return ERR_OK;
}

static void set_end(struct vm *vm, enum vm_end end)
{
    atomic_store(&vm->end, (int)end);
    inbox_wake(vm->inbox);
    if (end >= VM_QUITS)
        interrupt_all(&vm->interrupt);
}

void vm_quit(struct vm *vm)
{
    if (end_of(vm) != VM_ABANDONED)
        set_end(vm, VM_QUITS);
}

/* Not pthread_clockjoin_np(), which ThreadSanitizer does not know. */
int vm_stop(struct vm *vm, uint64_t until_ms)
{
    static const struct timespec pause = {0, 1000000};

    if (!vm->started)
        return 1;
    vm_quit(vm);
    if (end_of(vm) == VM_ABANDONED) /* that one has had its time */
        until_ms = 0;
    while (!atomic_load(&vm->ended) && clock_ms() < until_ms)
        nanosleep(&pause, NULL);
    if (!atomic_load(&vm->ended)) {
        log_warn("script", "a getter is stuck in a C function and was left behind", "vm=%s",
                 vm->opts.name);
        thread_leave_behind();
        return 0;
    }
    pthread_join(vm->thread, NULL);
    vm->started = 0;
    return 1;
}

void vm_retire(struct vm *vm)
{
    set_end(vm, VM_RETIRES);
}

void vm_abandon(struct vm *vm)
{
    set_end(vm, VM_ABANDONED);
    inbox_close(vm->inbox);
    inbox_drain(vm->inbox); /* here, since its owner does not: load_arrived() and ops know */
}

int vm_join(struct vm *vm)
{
    if (vm->started && (!atomic_load(&vm->ended) || atomic_load(&vm->ops)))
        return 0;
    if (vm->started)
        pthread_join(vm->thread, NULL);
    vm->started = 0;
    return 1;
}

int vm_stuck(const struct vm *vm, uint64_t now_ms, uint64_t grace_ms)
{
    uint64_t until_ms = interrupt_until(&vm->interrupt);

    return until_ms && now_ms > until_ms + grace_ms;
}

int vm_quitting(const struct vm *vm)
{
    return end_of(vm) >= VM_QUITS;
}

/* --- loads --- */

void vm_count_end(struct vm *vm)
{
    atomic_fetch_sub_explicit(&vm->busy, 1, memory_order_relaxed);
}

unsigned vm_busy(const struct vm *vm)
{
    return atomic_load_explicit(&vm->busy, memory_order_relaxed);
}

static void refuse(struct vm *vm, struct flight *f)
{
    group_finish_error(f, ERR_CLOSED, "the node is stopping");
    vm_count_end(vm);
}

/* On the VM's thread, or on that of whoever abandons it. */
static void load_arrived(struct msg *m)
{
    struct flight *f = list_entry(m, struct flight, msg);
    struct vm *vm = f->carrier;

    if (end_of(vm) == VM_ABANDONED) {
        vm_count_end(vm);
        vm->opts.redirect(vm->opts.ctx, f);
    } else if (vm_quitting(vm)) {
        refuse(vm, f);
    } else {
        task_start(vm, f);
    }
}

int vm_load(struct vm *vm, struct flight *f)
{
    f->msg.run = load_arrived;
    f->carrier = vm;
    atomic_fetch_add_explicit(&vm->busy, 1, memory_order_relaxed);
    if (inbox_post(vm->inbox, &f->msg))
        return 1;
    vm_count_end(vm);
    return 0;
}

/* --- what a VM has --- */

lua_State *vm_state(struct vm *vm)
{
    return vm->L;
}

int vm_defining(const struct vm *vm)
{
    return vm->defining;
}

int vm_wants_jit(struct vm *vm, const char *refusal)
{
    if (vm->opts.control && !vm->jit_refusal)
        vm->jit_refusal = mem_strdup(refusal);
    return vm->opts.control;
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

struct groups *vm_groups(struct vm *vm)
{
    return vm->opts.groups;
}

struct loop *vm_loop(const struct vm *vm)
{
    return vm->loop;
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
    interrupt_at(&vm->interrupt, deadline_ms);
}

void vm_set_current(struct vm *vm, struct task *t, uint64_t deadline_ms)
{
    vm->current = t;
    vm_watch_until(vm, deadline_ms);
}

void vm_op_begins(struct vm *vm)
{
    atomic_fetch_add_explicit(&vm->ops, 1, memory_order_relaxed);
}

void vm_op_ends(struct vm *vm)
{
    atomic_fetch_sub_explicit(&vm->ops, 1, memory_order_release);
}

struct list *vm_tasks(struct vm *vm)
{
    return &vm->tasks;
}

void vm_push_settings(struct vm *vm)
{
    if (vm->settings_ref == LUA_NOREF)
        lua_pushnil(vm->L);
    else
        lua_rawgeti(vm->L, LUA_REGISTRYINDEX, vm->settings_ref);
}
