/* SPDX-License-Identifier: MIT */
/* task.c - runs functions of the script as coroutines.
 *
 * Only resume() runs them, and `enum ran` lists all its results. The binding pushes a function's
 * values inside the coroutine itself, so a failed push is the function's error and not a panic.
 * Before the first resume, values are pushed in protected mode.
 *
 * The VM's hook stops a function that computes past its deadline. The hook yields, since pcall
 * would swallow an error: the yield reaches resume(), which finds the task stopped and drops the
 * coroutine. Inside a coroutine that the script made, the yield reaches the code that resumed it.
 * Under a C function nothing can yield, so the hook raises. From then on it stops every
 * instruction, until the task's own coroutine has yielded or ended. LuaJIT runs no hooks in
 * compiled code, so the JIT is off in a VM by default.
 *
 * The hook yields also to set a strand aside, in the strand's own coroutine and not under a C
 * function. LuaJIT then goes on at the same instruction when the coroutine is resumed. */
#include "script/task.h"

#include <lauxlib.h>
#include <lua.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/inbox.h"
#include "base/list.h"
#include "base/mem.h"
#include "cache/group.h"
#include "script/interrupt.h"
#include "script/loop.h"
#include "script/op.h"
#include "script/vm.h"

enum ran { WAITS, RETURNED, YIELDED, THREW, NO_MEMORY };

#define STRAY "groupcache.stray" /* the function of task_on_stray() in the registry */

static void set_state(struct strand *s, enum strand_state state)
{
    s->task->in_state[s->state]--;
    s->task->in_state[state]++;
    s->state = state;
    list_del(&s->aside);
    if (state == STRAND_ASIDE)
        list_push_back(vm_aside(s->task->vm), &s->aside);
}

/* --- the end --- */

static void strand_leave(struct strand *s)
{
    struct vm *vm = s->task->vm;

    while (!list_empty(&s->ops)) /* the task's Lua values own the references */
        op_cancel(list_entry(s->ops.next, struct op, wait));
    if (s->slot) {
        *s->slot = NULL;
        luaL_unref(vm_state(vm), LUA_REGISTRYINDEX, s->handle_ref);
    }
    luaL_unref(vm_state(vm), LUA_REGISTRYINDEX, s->ref);
    if (s->state == STRAND_PARKED)
        loop_note_left(vm_loop(vm));
    list_del(&s->aside);
    s->task->in_state[s->state]--;
}

static void child_free(struct strand *s)
{
    strand_leave(s);
    list_del(&s->link);
    mem_free(s);
}

void task_leave(struct task *t)
{
    while (!list_empty(&t->children))
        child_free(list_entry(t->children.next, struct strand, link));
    strand_leave(&t->own);
    timers_cancel(vm_timers(t->vm), &t->deadline);
    list_del(&t->link);
}

/* The text is `before`, the kind's noun and `after`. */
static void end_failed(struct task *t, enum err code, const char *before, const char *after)
{
    struct error e;

    error_set(&e, code, "%s%s%s", before, t->kind->noun, after);
    t->kind->end(t, TASK_FAILED, &e);
}

static void end_error(struct task *t, enum err code, const char *text)
{
    struct error e;

    error_set(&e, code, "%s", text);
    t->kind->end(t, TASK_FAILED, &e);
}

static void end_timeout(struct task *t)
{
    end_failed(t, ERR_TIMEOUT, "", " took longer than its timeout");
}

static void end_spent(struct task *t)
{
    end_failed(t, ERR_TIMEOUT, "", " has used up its processor time (cpu_timeout)");
}

/* --- running --- */

int task_overdue(const struct task *t)
{
    return clock_ms() >= t->deadline_ms;
}

int task_spent(const struct task *t)
{
    return t->stopped == TURN_SPENT || turn_spent(&t->turn);
}

/* Tells the group what the getter does, if that has changed. */
static void take_place(struct task *t, enum flight_state place)
{
    if (!t->flight || place == t->place)
        return;
    t->place = place;
    group_places_move(t->flight, place);
}

/* A strand that is parked may hold a library's connection, and one that was set aside computes. */
static enum flight_state place_between_turns(const struct task *t)
{
    if (t->in_state[STRAND_PARKED] || t->in_state[STRAND_ASIDE])
        return FLIGHT_RUNNING;
    return t->in_state[STRAND_ASKS] ? FLIGHT_ASKING : FLIGHT_WAITING;
}

/* Gives the VM back to what the task interrupted: another task, or the event loop. */
static void end_turn(struct vm *vm, struct task *outer)
{
    uint64_t until_ms;

    if (outer) {
        vm_set_current(vm, outer, outer->turn.until_ms, outer->turn.look_ms);
    } else {
        until_ms = loop_until_ms(vm_loop(vm));
        vm_set_current(vm, NULL, until_ms, until_ms);
    }
}

static enum strand_state state_of_waiting(const struct strand *s)
{
    struct list *l;

    list_each (l, &s->ops) {
        if (list_entry(l, struct op, wait)->kind->is_load)
            return STRAND_ASKS;
    }
    return STRAND_WAITS;
}

/* L: the state of the code that resumes. */
static enum ran resume(lua_State *L, struct strand *s, int nargs)
{
    struct task *t = s->task, *outer_task = vm_current(t->vm);
    struct strand *outer = t->current;
    int status, goes_on = s->state == STRAND_ASIDE;

    take_place(t, FLIGHT_RUNNING);
    if (!outer)
        turn_begin(&t->turn, vm_cpu(t->vm), t->deadline_ms, goes_on);
    t->current = s;
    s->nested = outer || outer_task;
    set_state(s, STRAND_RUNS);
    interrupt_goes_on(vm_interrupt(t->vm), goes_on);
    vm_set_current(t->vm, t, t->turn.until_ms, t->turn.look_ms);
    status = results_push(&s->results, L, s->co, &nargs) ? lua_resume(s->co, nargs) : LUA_ERRMEM;
    if (!outer)
        turn_end(&t->turn, vm_cpu(t->vm));
    end_turn(t->vm, outer_task);
    t->current = outer;
    if (status == 0)
        return RETURNED;
    if (status != LUA_YIELD)
        return status == LUA_ERRMEM ? NO_MEMORY : THREW;
    if (s->state == STRAND_ASIDE) /* the hook has said so */
        return WAITS;
    set_state(s, list_empty(&s->ops) ? STRAND_PARKED : state_of_waiting(s));
    return s->state == STRAND_PARKED ? YIELDED : WAITS;
}

int task_call(struct task *t, int (*body)(lua_State *L), void *arg)
{
    struct task *outer_task = vm_current(t->vm);
    lua_State *L = vm_state(t->vm);
    int failed;

    turn_begin(&t->turn, vm_cpu(t->vm), t->deadline_ms, 0);
    t->current = &t->own; /* it does not run, so nothing can wait */
    vm_set_current(t->vm, t, t->turn.until_ms, t->turn.look_ms);
    failed = lua_cpcall(L, body, arg);
    if (failed)
        lua_pop(L, 1);
    turn_end(&t->turn, vm_cpu(t->vm));
    end_turn(t->vm, outer_task);
    t->current = NULL;
    if (t->stopped)
        interrupt_rest(vm_interrupt(t->vm));
    return !failed;
}

/* Ends a task that the hook stopped. Its results are no answer: the function may have caught the
 * hook's error, or taken the hook's yield for its own. */
static void end_stopped(struct task *t)
{
    interrupt_rest(vm_interrupt(t->vm));
    if (t->stopped == TURN_LATE)
        end_timeout(t);
    else if (t->stopped == TURN_SPENT)
        end_spent(t);
    else
        end_error(t, ERR_CLOSED, "the node is stopping");
}

/* A failure at the deadline is due to the deadline: http.request() gives up then too. */
static int too_late(const struct task *t)
{
    int value = t->ran == RETURNED && lua_type(t->own.co, 1) == LUA_TSTRING;

    return t->ran != WAITS && !value && task_overdue(t);
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
    switch ((enum ran)t->ran) {
    case RETURNED:
        t->kind->end(t, TASK_RETURNED, NULL);
        break;
    case WAITS:
        if (turn_spent(&t->turn) && !t->in_state[STRAND_PARKED])
            end_spent(t);
        else
            take_place(t, place_between_turns(t));
        break;
    case YIELDED:
        end_failed(t, ERR_GETTER, "", " yielded: only functions of this API may yield");
        break;
    case THREW:
        t->kind->end(t, TASK_THREW, NULL);
        break;
    case NO_MEMORY:
        end_failed(t, ERR_NOMEM, "", " ran out of memory (vm_bytes)");
        break;
    }
}

/* wait.lua catches what a child's function throws, so an error here means that there was no memory.
 */
static void child_ran(struct strand *s, enum ran ran)
{
    if (ran == WAITS)
        return;
    if (ran != RETURNED)
        s->task->ran = NO_MEMORY;
    child_free(s);
}

/* Returns 1 when the strand yielded, to the VM's other loop or astray. Otherwise the strand and its
 * task may be freed. If strands of a task run inside each other, the task ends when the outermost
 * has returned. */
static int run(lua_State *L, struct strand *s, int nargs)
{
    struct task *t = s->task;
    struct vm *vm = t->vm;
    enum ran ran = resume(L, s, nargs);
    int parked = ran == YIELDED && (vm_loop(vm) || s != &t->own) && !t->stopped;

    if (s != &t->own && !parked && !t->stopped)
        child_ran(s, ran);
    else if (s == &t->own && !parked)
        t->ran = (int)ran;
    if (!t->current)
        conclude(t);
    vm_recover(vm, vm_loop(vm) != NULL); /* its garbage must not make the next task fail */
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

/* Protected. */
static int stray_body(lua_State *L)
{
    const struct strand *s = lua_touserdata(L, 1);

    lua_getfield(L, LUA_REGISTRYINDEX, STRAY);
    lua_rawgeti(L, LUA_REGISTRYINDEX, s->handle_ref);
    lua_call(L, 1, 0);
    return 0;
}

/* Resumes a strand, or has the VM's other loop resume it. */
static void go(struct strand *s, int nargs)
{
    struct task *t = s->task;
    struct vm *vm = t->vm;
    int fine = 1;

    if (vm_loop(vm))
        fine = loop_go(vm_loop(vm), s->handle_ref, s->ref);
    else if (run(vm_state(vm), s, nargs))
        fine = lua_cpcall(vm_state(vm), stray_body, s) == 0;
    if (fine)
        return;
    if (!vm_loop(vm))
        lua_pop(vm_state(vm), 1);
    if (is_there(vm, t))
        end_failed(t, ERR_NOMEM, "no memory in the VM to go on with ", " (vm_bytes)");
}

void task_on_stray(lua_State *L)
{
    lua_setfield(L, LUA_REGISTRYINDEX, STRAY);
}

static void deadline_passed(struct timer *timer)
{
    end_timeout(list_entry(timer, struct task, deadline));
}

static void strand_init(struct strand *s, struct task *t)
{
    s->task = t;
    s->ref = s->handle_ref = LUA_NOREF;
    list_init(&s->ops);
    list_init(&s->aside);
    t->in_state[STRAND_NEW]++;
}

/* The Lua side's handle of a strand: a userdata with its address, NULL once the strand has ended.
 */
static void make_handle(lua_State *L, struct strand *s)
{
    struct strand **slot = lua_newuserdata(L, sizeof(struct strand *));

    *slot = s;
    luaL_getmetatable(L, TASK_STRAND);
    lua_setmetatable(L, -2);
    s->handle_ref = luaL_ref(L, LUA_REGISTRYINDEX);
    s->slot = slot;
}

/* Protected: makes the coroutine, with the function and its arguments on its stack. */
static int prepare_body(lua_State *L)
{
    struct task *t = lua_touserdata(L, 1);
    lua_State *co = lua_newthread(L);

    if (vm_loop(t->vm))
        make_handle(L, &t->own);
    t->n_args = t->kind->push(L, t);
    lua_xmove(L, co, 1 + t->n_args);
    t->own.ref = luaL_ref(L, LUA_REGISTRYINDEX);
    t->own.co = co;
    return 0;
}

void task_start(struct task *t)
{
    struct vm *vm = t->vm;
    lua_State *L = vm_state(vm);
    int failed;

    list_push_back(vm_tasks(vm), &t->link);
    list_init(&t->children);
    strand_init(&t->own, t);
    t->ran = WAITS;
    t->deadline.run = deadline_passed;
    vm_watch_until(vm, t->turn.bound_ms ? clock_ms() + t->turn.bound_ms
                                        : t->deadline_ms); /* an allocation may run finalizers */
    vm_make_room(vm, 0);
    failed = lua_cpcall(L, prepare_body, t);
    vm_watch_until(vm, 0);
    if (failed) {
        lua_pop(L, 1);
        vm_recover(vm, 0);
        end_failed(t, ERR_NOMEM, "no memory in the VM to start ", " (vm_bytes)");
    } else if (task_overdue(t)) {
        end_timeout(t);
    } else if (t->deadline_ms < TASK_NO_DEADLINE_MS &&
               timers_set(vm_timers(vm), &t->deadline, t->deadline_ms)) {
        end_error(t, ERR_NOMEM, "no memory for a timer");
    } else {
        go(&t->own, t->n_args);
    }
}

static void strand_resume(struct strand *s)
{
    while (!list_empty(&s->ops))
        op_leave(list_entry(s->ops.next, struct op, wait));
    if (!s->task->current && task_overdue(s->task))
        end_timeout(s->task); /* before the hook would have to */
    else
        go(s, 0);
}

void task_go_on(struct vm *vm)
{
    struct list *l = vm_quitting(vm) ? NULL : list_pop_front(vm_aside(vm));

    if (l)
        go(list_entry(l, struct strand, aside), 0);
}

void task_end_all(struct vm *vm)
{
    struct list *l;

    while (!list_empty(vm_tasks(vm))) {
        l = vm_tasks(vm)->next;
        end_error(list_entry(l, struct task, link), ERR_CLOSED, "the node is stopping");
    }
}

void task_wait_for(struct strand *s, struct op *op)
{
    op_await(op, s, &s->ops, strand_resume);
}

/* --- strands for the Lua side --- */

struct strand *task_strand(lua_State *L, int index)
{
    return *(struct strand **)luaL_checkudata(L, index, TASK_STRAND);
}

const char *task_strand_state(const struct strand *s)
{
    static const char *const names[] = {"new",     "running", "waiting",
                                        "waiting", "parked",  "set aside"};

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
    if (!run(L, s, first + n))
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

/* No further instruction of the task runs, at any level. */
static void stop(lua_State *L, struct task *t, enum turn_end why)
{
    t->stopped = why;
    interrupt_insist(vm_interrupt(t->vm));
    if (lua_isyieldable(L))
        lua_yield(L, 0);
    else
        luaL_error(L, "%s took longer than its timeout", t->kind->noun);
}

/* Not in a coroutine that the script made, nor under a C function, where no yield would reach
 * resume(). Not inside of other code, which would go on before the strand. */
static int may_set_aside(lua_State *L, const struct task *t)
{
    return t->current->co == L && t->current->state == STRAND_RUNS && !t->current->nested &&
           lua_isyieldable(L);
}

/* Sets the strand that runs aside if it is time, or says when the hook is to be called next. */
static void look_later(lua_State *L, struct task *t, enum turn_end end)
{
    interrupt_rest(vm_interrupt(t->vm));
    if (end == TURN_ASIDE && may_set_aside(L, t)) {
        set_state(t->current, STRAND_ASIDE);
        lua_yield(L, 0);
        return;
    }
    if (end == TURN_ASIDE)
        turn_later(&t->turn, vm_cpu(t->vm));
    interrupt_look_at(vm_interrupt(t->vm), t->turn.look_ms);
}

void task_hook(lua_State *L, lua_Debug *ar)
{
    struct vm *vm = vm_of(L);
    struct task *t = vm_current(vm);
    enum turn_end end;

    (void)ar;
    inbox_hurry(); /* wakes that are held need not wait for this code */
    if (!t && loop_overrun(vm_loop(vm))) {
        interrupt_insist(vm_interrupt(vm));
        luaL_error(L, "code of the event loop, outside of any getter, took longer than a second");
    }
    if (!t) {
        interrupt_rest(vm_interrupt(vm));
        return;
    }
    end = t->stopped ? t->stopped : turn_look(&t->turn, vm_cpu(vm));
    if (end != TURN_LATE && vm_quitting(vm))
        end = TURN_CLOSED;
    if (end >= TURN_LATE)
        stop(L, t, end);
    else
        look_later(L, t, end);
}
