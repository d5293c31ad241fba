/* SPDX-License-Identifier: MIT */
/* task.c - runs getters as coroutines.
 *
 * resume() is the only place that runs a getter, and outcome is the closed set of what may come of
 * it. What C hands to a getter is pushed by the binding inside the coroutine itself, so a failed
 * push is the getter's error and not a panic; what is pushed before the first resume is pushed in
 * protected mode.
 *
 * A getter that computes past its deadline is stopped from the VM's hook. The hook yields
 * rather than raises, because pcall would swallow an error: the yield reaches resume(), which finds
 * the task stopped and drops the coroutine. Inside a coroutine that the getter made, the yield goes
 * to who resumed it; under a C function nothing can yield, and the hook does raise. From then on it
 * stops every instruction, until the getter's own coroutine has yielded or ended. LuaJIT runs no
 * hooks in compiled code, which is why the JIT is off in a VM unless asked for. */
#include "script/task.h"

#include <lauxlib.h>
#include <lua.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/inbox.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "cache/group.h"
#include "script/defs.h"
#include "script/interrupt.h"
#include "script/loop.h"
#include "script/op.h"
#include "script/trace.h"
#include "script/vm.h"

enum outcome { RETURNED, WAITS, YIELDED, THREW, NO_MEMORY };

enum strand_state {
    STRAND_NEW,
    STRAND_RUNS,
    STRAND_WAITS, /* for its ops */
    STRAND_PARKED /* it yielded to another loop, which will go on with it */
};

struct strand {
    struct list link; /* in the task's children; the getter's own is in none */
    struct task *task;
    lua_State *co;        /* kept alive by ref */
    int ref;              /* in the registry, like handle_ref */
    struct strand **slot; /* in its handle; NULL: no other loop knows it */
    int handle_ref;
    enum strand_state state;
    struct list ops; /* op.wait: what it waits for, one or several; empty while it runs */
};

struct task {
    struct list link; /* in the VM's tasks */
    struct timer deadline;
    struct vm *vm;
    struct flight *flight; /* the loader's reference */
    const struct def *def;
    struct strand own;      /* the getter's */
    struct list children;   /* strand.link */
    struct strand *current; /* which of them runs; NULL: none */
    int stopped;            /* by the hook: it computed for too long */
    enum outcome outcome;   /* of the getter's strand; WAITS: it has not ended */
};

/* --- the end --- */

/* What is on the coroutine's stack is there until the next collection at least, and nothing runs
 * before that. */
static void strand_leave(struct strand *s)
{
    struct vm *vm = s->task->vm;

    while (!list_empty(&s->ops)) /* the getter's Lua values hold them, and go with it */
        op_cancel(list_entry(s->ops.next, struct op, wait));
    if (s->slot) {
        *s->slot = NULL;
        luaL_unref(vm_state(vm), LUA_REGISTRYINDEX, s->handle_ref);
    }
    luaL_unref(vm_state(vm), LUA_REGISTRYINDEX, s->ref);
    if (s->state == STRAND_PARKED)
        loop_note_left(vm_loop(vm));
}

static void child_free(struct strand *s)
{
    strand_leave(s);
    list_del(&s->link);
    mem_free(s);
}

/* Lets go of everything but the flight, which the caller ends. */
static struct flight *task_leave(struct task *t)
{
    struct flight *f = t->flight;

    while (!list_empty(&t->children))
        child_free(list_entry(t->children.next, struct strand, link));
    strand_leave(&t->own);
    timers_cancel(vm_timers(t->vm), &t->deadline);
    list_del(&t->link);
    vm_count_end(t->vm);
    mem_free(t);
    return f;
}

static void end_error(struct task *t, enum err code, const char *msg)
{
    group_finish_error(task_leave(t), code, "%s", msg);
}

static void end_timeout(struct task *t)
{
    const struct def *def = t->def;

    group_finish_error(task_leave(t), ERR_TIMEOUT, "group %s: the getter took longer than %g s",
                       def->name, (double)def->opts.timeout_ms / 1000);
}

static void end_thrown(struct task *t)
{
    char text[ERROR_TEXT], fields[400], key[100]; /* a group's name has at most 255 bytes */

    if (lua_type(t->own.co, -1) == LUA_TSTRING)
        snprintf(text, sizeof(text), "%s", lua_tostring(t->own.co, -1));
    else
        snprintf(text, sizeof(text), "the getter threw a %s", luaL_typename(t->own.co, -1));
    snprintf(fields, sizeof(fields), "group=%s key=%s", t->def->name,
             log_quote(key, sizeof(key), t->flight->key, t->flight->key_len));
    trace_thrown(vm_state(t->vm), t->own.co, "getter threw", fields);
    end_error(t, ERR_GETTER, text);
}

static void end_value(struct task *t)
{
    int has_ttl = lua_type(t->own.co, 3) == LUA_TNUMBER;
    double ttl_ms = has_ttl ? lua_tonumber(t->own.co, 3) * 1000 : 0;
    size_t n;
    const char *value = lua_tolstring(t->own.co, 1, &n);

    group_finish_value(task_leave(t), value, n, has_ttl ? &ttl_ms : NULL, NULL);
}

static void end_failed(struct task *t)
{
    char text[ERROR_TEXT];
    enum err code = ERR_GETTER;

    if (lua_type(t->own.co, 3) == LUA_TSTRING)
        code = err_from_name(lua_tostring(t->own.co, 3));
    if (!err_is_final(code))
        code = ERR_GETTER;
    if (lua_type(t->own.co, 2) == LUA_TSTRING)
        snprintf(text, sizeof(text), "%s", lua_tostring(t->own.co, 2));
    else
        snprintf(text, sizeof(text), "group %s: the getter failed with a %s as its error",
                 t->def->name, luaL_typename(t->own.co, 2));
    end_error(t, code, text);
}

/* Whether the third result may stand beside a value: a ttl, or the source that comes with a value
 * of another group, so that a getter may end with `return other:get(key)`. */
static int third_is_fine(const struct task *t)
{
    int type = lua_type(t->own.co, 3);

    return type == LUA_TNUMBER || type == LUA_TNIL ||
           (type == LUA_TSTRING && source_is_name(lua_tostring(t->own.co, 3)));
}

/* The getter's results are on its stack: value [, nil, ttl] | nil | nil, err [, code]. */
static void end_returned(struct task *t)
{
    char text[ERROR_TEXT];

    lua_settop(t->own.co, 3);
    if (!lua_isnil(t->own.co, 1) && !third_is_fine(t)) {
        snprintf(text, sizeof(text),
                 "group %s: the getter's third result, the ttl in seconds, is "
                 "a %s",
                 t->def->name, luaL_typename(t->own.co, 3));
        end_error(t, ERR_GETTER, text);
    } else if (lua_type(t->own.co, 1) == LUA_TSTRING) {
        end_value(t);
    } else if (!lua_isnil(t->own.co, 1)) {
        snprintf(text, sizeof(text), "group %s: the getter returned a %s, not a string",
                 t->def->name, luaL_typename(t->own.co, 1));
        end_error(t, ERR_GETTER, text);
    } else if (!lua_isnil(t->own.co, 2)) {
        end_failed(t);
    } else {
        snprintf(text, sizeof(text), "group %s: not found", t->def->name);
        end_error(t, ERR_NOTFOUND, text);
    }
}

/* --- running --- */

static int overdue(const struct task *t)
{
    return clock_ms() >= t->flight->deadline_ms;
}

static enum outcome resume(struct strand *s, int nargs)
{
    struct task *t = s->task, *outer_task = vm_current(t->vm);
    struct strand *outer = t->current;
    int status;

    t->current = s;
    s->state = STRAND_RUNS;
    vm_set_current(t->vm, t, t->flight->deadline_ms);
    status = lua_resume(s->co, nargs);
    if (outer_task)
        vm_set_current(t->vm, outer_task, outer_task->flight->deadline_ms);
    else
        vm_set_current(t->vm, NULL, loop_until_ms(vm_loop(t->vm)));
    t->current = outer;
    if (status == 0)
        return RETURNED;
    if (status != LUA_YIELD)
        return status == LUA_ERRMEM ? NO_MEMORY : THREW;
    s->state = list_empty(&s->ops) ? STRAND_PARKED : STRAND_WAITS;
    return s->state == STRAND_PARKED ? YIELDED : WAITS;
}

/* The hook stopped it. What came of that, an error that the getter caught or a yield that it took
 * for its own, is no answer. */
static void end_stopped(struct task *t)
{
    interrupt_rest(vm_interrupt(t->vm));
    if (overdue(t))
        end_timeout(t);
    else
        end_error(t, ERR_CLOSED, "the node is stopping");
}

/* A getter that fails at its deadline fails because of it: http.request() gives up then too. */
static int too_late(const struct task *t)
{
    int value = t->outcome == RETURNED && lua_type(t->own.co, 1) == LUA_TSTRING;

    return t->outcome != WAITS && !value && overdue(t);
}

static void conclude(struct task *t)
{
    if (t->stopped) {
        end_stopped(t);
        return;
    }
    if (too_late(t)) {
        end_timeout(t);
        return;
    }
    switch (t->outcome) {
    case RETURNED:
        end_returned(t);
        break;
    case WAITS:
        break;
    case YIELDED:
        end_error(t, ERR_GETTER, "the getter yielded: only what this API waits for may");
        break;
    case THREW:
        end_thrown(t);
        break;
    case NO_MEMORY:
        end_error(t, ERR_NOMEM, "the getter ran out of memory (vm_bytes)");
        break;
    }
}

/* A child's function does not throw (wait.lua catches that), unless there is no memory to say so.
 */
static void child_ran(struct strand *s, enum outcome outcome)
{
    if (outcome == WAITS)
        return;
    if (outcome != RETURNED)
        s->task->outcome = NO_MEMORY;
    child_free(s);
}

/* Returns 1 when the strand yielded to the VM's other loop. Otherwise it, and its task, may be
 * gone. A task whose strands run each other ends when the outermost has come back. */
static int run(struct strand *s, int nargs)
{
    struct task *t = s->task;
    struct vm *vm = t->vm;
    enum outcome outcome = resume(s, nargs);
    int parked = outcome == YIELDED && vm_loop(vm) && !t->stopped;

    if (s != &t->own && !parked && !t->stopped)
        child_ran(s, outcome);
    else if (s == &t->own && !parked)
        t->outcome = outcome;
    if (!t->current)
        conclude(t);
    vm_recover(vm, vm_loop(vm) != NULL); /* what a getter had must not make the next one fail */
    return parked;
}

static int is_there(struct vm *vm, const struct task *t)
{
    struct list *l;

    list_each (l, vm_tasks(vm)) {
        if (l == &t->link)
            return 1;
    }
    return 0;
}

/* Goes on with a strand whose turn it is, or has the VM's other loop do so. */
static void go(struct strand *s, int nargs)
{
    struct task *t = s->task;
    struct vm *vm = t->vm;

    if (!vm_loop(vm))
        run(s, nargs);
    else if (!loop_go(vm_loop(vm), s->handle_ref, s->ref) && is_there(vm, t))
        end_error(t, ERR_NOMEM, "no memory in the VM to go on with the getter (vm_bytes)");
}

static void deadline_passed(struct timer *timer)
{
    end_timeout(list_entry(timer, struct task, deadline));
}

/* Puts what the flight knows of its request into the ctx on the stack. */
static void set_info(lua_State *L, const struct flight *f)
{
    const char *at = f->info, *end = f->info + f->info_len;

    lua_newtable(L);
    while (at < end) {
        const char *value = at + strlen(at) + 1;

        lua_pushstring(L, value);
        if (*at)
            lua_setfield(L, -2, at);
        else
            lua_setfield(L, -3, "peer");
        at = value + strlen(value) + 1;
    }
    lua_setfield(L, -2, "headers");
}

/* The getter's second argument. The key is on top of the stack. */
static void push_ctx(lua_State *L, const struct task *t)
{
    const struct flight *f = t->flight;

    lua_createtable(L, 0, 6);
    lua_pushstring(L, t->def->name);
    lua_setfield(L, -2, "group");
    lua_pushvalue(L, -2);
    lua_setfield(L, -2, "key");
    lua_pushnumber(L, (double)f->deadline_ms / 1000);
    lua_setfield(L, -2, "deadline");
    lua_pushboolean(L, f->from_peer);
    lua_setfield(L, -2, "from_peer");
    if (f->info)
        set_info(L, f);
}

static void strand_init(struct strand *s, struct task *t)
{
    s->task = t;
    s->ref = s->handle_ref = LUA_NOREF;
    list_init(&s->ops);
}

/* What another loop has of a strand: a userdata with its address, NULL once it is gone. */
static void make_handle(lua_State *L, struct strand *s)
{
    struct strand **slot = lua_newuserdata(L, sizeof(struct strand *));

    *slot = s;
    luaL_getmetatable(L, TASK_STRAND);
    lua_setmetatable(L, -2);
    s->handle_ref = luaL_ref(L, LUA_REGISTRYINDEX);
    s->slot = slot;
}

/* Protected: makes the coroutine, with the getter and its arguments on its stack. */
static int prepare_body(lua_State *L)
{
    struct task *t = lua_touserdata(L, 1);
    const struct flight *f = t->flight;
    lua_State *co = lua_newthread(L);

    if (vm_loop(t->vm))
        make_handle(L, &t->own);
    lua_rawgeti(L, LUA_REGISTRYINDEX, t->def->getter_ref);
    lua_pushlstring(L, f->key, f->key_len);
    if (t->def->takes_ctx)
        push_ctx(L, t);
    lua_xmove(L, co, 2 + t->def->takes_ctx);
    t->own.ref = luaL_ref(L, LUA_REGISTRYINDEX);
    t->own.co = co;
    return 0;
}

void task_start(struct vm *vm, struct flight *f)
{
    lua_State *L = vm_state(vm);
    const struct def *def = defs_find(vm_defs(vm), group_name(f->group));
    struct task *t;
    int failed;

    if (!def) {
        group_finish_error(f, ERR_CLOSED, "group %s is no longer defined", group_name(f->group));
        vm_count_end(vm);
        return;
    }
    t = mem_zalloc(sizeof(*t));
    list_push_back(vm_tasks(vm), &t->link);
    list_init(&t->children);
    strand_init(&t->own, t);
    t->outcome = WAITS;
    t->vm = vm;
    t->flight = f;
    t->def = def;
    t->deadline.run = deadline_passed;
    vm_watch_until(vm, f->deadline_ms); /* what allocates may run finalizers */
    vm_make_room(vm, 0);
    failed = lua_cpcall(L, prepare_body, t);
    vm_watch_until(vm, 0);
    if (failed) {
        lua_pop(L, 1);
        vm_recover(vm, 0);
        end_error(t, ERR_NOMEM, "no memory in the VM to start the getter (vm_bytes)");
    } else if (overdue(t)) {
        end_timeout(t);
    } else if (timers_set(vm_timers(vm), &t->deadline, f->deadline_ms)) {
        end_error(t, ERR_NOMEM, "no memory for a timer");
    } else {
        go(&t->own, 1 + def->takes_ctx);
    }
}

void task_resume(struct strand *s)
{
    while (!list_empty(&s->ops))
        op_leave(list_entry(s->ops.next, struct op, wait));
    if (!s->task->current && overdue(s->task))
        end_timeout(s->task); /* before the hook would have to */
    else
        go(s, 0);
}

void task_end_all(struct vm *vm)
{
    struct list *l;

    while (!list_empty(vm_tasks(vm))) {
        l = vm_tasks(vm)->next;
        end_error(list_entry(l, struct task, link), ERR_CLOSED, "the node is stopping");
    }
}

const struct def *task_def(const struct task *t)
{
    return t->def;
}

uint64_t task_deadline_ms(const struct task *t)
{
    return t->flight->deadline_ms;
}

struct flight *task_flight(const struct task *t)
{
    return t->flight;
}

/* --- waiting --- */

int task_raise(lua_State *L, const char *fmt, ...)
{
    va_list ap;

    luaL_where(L, 2); /* 1 is the API's own Lua function */
    va_start(ap, fmt);
    lua_pushvfstring(L, fmt, ap);
    va_end(ap);
    lua_concat(L, 2);
    return lua_error(L);
}

void task_check_can_wait(lua_State *L, const char *what)
{
    struct vm *vm = vm_of(L);

    if (!vm || !vm_current(vm))
        task_raise(L, "%s waits, and only a getter can wait", what);
}

void task_wait_for(struct strand *s, struct op *op)
{
    if (list_linked(&op->wait))
        return;
    op->strand = s;
    list_push_back(&s->ops, &op->wait);
}

void task_check_can_yield(lua_State *L, const char *what)
{
    task_check_can_wait(L, what);
    if (!lua_isyieldable(L))
        task_raise(L, "%s waits, and cannot inside table.sort, string.gsub or another C function",
                   what);
}

int task_may_wait(struct vm *vm, lua_State *L)
{
    const struct task *t = vm_current(vm);

    return t && t->current->co == L && lua_isyieldable(L);
}

struct strand *task_to_wait(lua_State *L, const char *what)
{
    struct task *t;

    task_check_can_wait(L, what);
    t = vm_current(vm_of(L));
    if (t->current->co != L)
        task_raise(L, "%s waits, and a coroutine that a getter made cannot", what);
    task_check_can_yield(L, what);
    return t->current;
}

/* --- strands of another loop --- */

struct strand *task_strand(lua_State *L, int index)
{
    return *(struct strand **)luaL_checkudata(L, index, TASK_STRAND);
}

const char *task_strand_state(const struct strand *s)
{
    static const char *const names[] = {"new", "running", "waiting", "parked"};

    return s ? names[s->state] : "gone";
}

void task_spawn(lua_State *L)
{
    struct task *t = vm_current(vm_of(L));
    struct strand *s = mem_zalloc(sizeof(*s));
    lua_State *co;

    strand_init(s, t);
    list_push_back(&t->children, &s->link); /* from here on the task owns it */
    make_handle(L, s);
    co = s->co = lua_newthread(L);
    lua_pushvalue(L, 1);
    lua_xmove(L, co, 1);
    lua_pushvalue(L, -1);
    s->ref = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_rawgeti(L, LUA_REGISTRYINDEX, s->handle_ref);
    lua_insert(L, -2);
}

int task_run(lua_State *L)
{
    struct strand *s = task_strand(L, 1);
    lua_State *co;
    int n = lua_gettop(L) - 1, first;

    if (!s || s->state == STRAND_RUNS)
        return 0;
    co = s->co;
    first = s->state == STRAND_NEW ? lua_gettop(co) - 1 : 0;
    luaL_checkstack(L, LUA_MINSTACK, "too many values");
    if (!lua_checkstack(co, n + LUA_MINSTACK))
        return luaL_error(L, "too many values to go on with");
    lua_xmove(L, co, n);
    if (!run(s, first + n))
        return 0;
    n = lua_gettop(co);
    luaL_checkstack(L, n + 1, "too many values");
    lua_pushboolean(L, 1);
    lua_xmove(co, L, n);
    return n + 1;
}

void task_fail(struct strand *s, const char *msg)
{
    struct task *t = s->task;

    if (!t->current)
        end_error(t, ERR_GETTER, msg);
}

void task_drop(struct strand *s)
{
    if (s != &s->task->own && s->state != STRAND_RUNS)
        child_free(s);
}

/* --- the hook --- */

void task_hook(lua_State *L, lua_Debug *ar)
{
    struct vm *vm = vm_of(L);
    struct task *t = vm_current(vm);

    (void)ar;
    inbox_hurry(); /* what has ended before this need not wait for it */
    if (!t && loop_overrun(vm_loop(vm))) {
        interrupt_insist(vm_interrupt(vm));
        luaL_error(L, "code of the event loop, outside of any getter, took longer than a second");
    }
    if (!t || !(vm_quitting(vm) || overdue(t))) {
        interrupt_rest(vm_interrupt(vm));
        return;
    }
    t->stopped = 1;
    interrupt_insist(vm_interrupt(vm)); /* no further instruction, at whatever level */
    if (lua_isyieldable(L))
        lua_yield(L, 0);
    else
        luaL_error(L, "the getter took longer than its timeout");
}
