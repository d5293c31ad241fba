/* SPDX-License-Identifier: MIT */
/* background.c - each function is a runner: a task while it runs, a timer while it does not. */
#include "script/background.h"

#include <lua.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/inbox.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "script/defs.h"
#include "script/outcome.h"
#include "script/task.h"
#include "script/trace.h"
#include "script/vm.h"

enum {
    TURN_MS = 5000,             /* how long a function may compute at a stretch */
    MAX_ANSWER_BYTES = 8000000, /* of http.request, as in a group without options */
    FIRST_PAUSE_MS = 1000,      /* before a function that failed is called again */
    LAST_PAUSE_MS = 24000,      /* a quarter more is half a minute */
    SOUND_MS = 60000            /* a call that lasted so long was sound: the pauses begin anew */
};

/* Only the VM's thread touches task and timers. */
struct runner {
    struct task task;
    struct background *of;
    const struct def_background *def;
    struct timer next;     /* the next call */
    struct timer patience; /* while the node waits for it */
    int waited;            /* the node waits for it */
    unsigned failures;     /* in a row */
    uint64_t runs, errors; /* guarded by mu, like the rest */
    uint64_t began_ms;
    int running;
    char *last_error; /* owned, or NULL */
};

struct background {
    struct vm *vm;
    void (*ready)(void *ctx);
    void *ctx;
    struct msg start, leave;
    struct runner *list; /* owned */
    size_t n;
    atomic_uint waits;
    atomic_uint farewells; /* that have not ended */
    pthread_mutex_t mu;
};

/* --- whether the node waits for it --- */

static void let_be_ready(struct runner *r)
{
    struct background *b = r->of;

    if (!r->waited)
        return;
    r->waited = 0;
    timers_cancel(vm_timers(b->vm), &r->patience);
    if (atomic_fetch_sub(&b->waits, 1) == 1)
        b->ready(b->ctx);
}

static void patience_over(struct timer *t)
{
    struct runner *r = list_entry(t, struct runner, patience);

    if (vm_quitting(r->of->vm))
        return;
    log_warn("script", "the node stops waiting for a background function", "name=%s ms=%llu",
             r->def->name, (unsigned long long)r->def->ready_timeout_ms);
    let_be_ready(r);
}

/* --- a call --- */

static int push(lua_State *L, struct task *t)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, ((struct runner *)(void *)t)->def->fn_ref);
    return 0;
}

/* Twice as long each time, and longer by up to a quarter, so that nodes that failed together do not
 * try again together. */
static uint64_t pause_ms(unsigned failures)
{
    uint64_t now_ns = clock_ns(), ms = LAST_PAUSE_MS;

    if (failures <= 5)
        ms = (uint64_t)FIRST_PAUSE_MS << (failures - 1);
    return ms + hash_table(&now_ns, sizeof(now_ns)) % (ms / 4);
}

static void note_begin(struct runner *r)
{
    pthread_mutex_lock(&r->of->mu);
    r->runs++;
    r->running = 1;
    r->began_ms = clock_ms();
    pthread_mutex_unlock(&r->of->mu);
}

static void note_end(struct runner *r, const struct error *e)
{
    pthread_mutex_lock(&r->of->mu);
    r->running = 0;
    if (e->code) {
        r->errors++;
        mem_free(r->last_error);
        r->last_error = mem_strdup(e->msg);
    }
    pthread_mutex_unlock(&r->of->mu);
}

/* The text of what it threw, and a line in the log. */
static void judge_thrown(struct runner *r, struct error *e)
{
    struct task *t = &r->task;
    struct outcome o;
    struct outcome_speech s = {&o, t->own.co};
    int top = lua_gettop(t->own.co), type = lua_type(t->own.co, top);
    char fields[600], name[500];

    outcome_thrown(t->own.co, top, &o);
    if (type != LUA_TSTRING && type != LUA_TNUMBER)
        error_set(&o.err, ERR_GETTER, "the function threw a %s", lua_typename(t->own.co, type));
    if (o.object)
        task_call(t, outcome_speak, &s);
    *e = o.err;
    snprintf(fields, sizeof(fields), "name=%s",
             log_quote(name, sizeof(name), r->def->name, strlen(r->def->name)));
    trace_text(vm_state(t->vm), t->own.co, e->msg, "a background function threw", fields);
}

static void judge_failed(struct runner *r, const struct error *why, struct error *e)
{
    char name[500], text[2 * ERROR_TEXT];

    *e = *why;
    if (why->code == ERR_TIMEOUT)
        error_set(e, ERR_TIMEOUT, "the function computed for more than %d s at a stretch",
                  TURN_MS / 1000);
    log_error("script", "a background function failed", "name=%s error=%s",
              log_quote(name, sizeof(name), r->def->name, strlen(r->def->name)),
              log_quote(text, sizeof(text), e->msg, strlen(e->msg)));
}

static void call_again(struct runner *r, uint64_t ms)
{
    if (timers_set(vm_timers(r->of->vm), &r->next, clock_ms() + ms))
        log_error("script", "no memory to call a background function again", "name=%s",
                  r->def->name);
}

static void end(struct task *t, enum task_end how, const struct error *why)
{
    struct runner *r = (struct runner *)(void *)t;
    struct error e = {.code = ERR_OK};
    int quits = vm_quitting(r->of->vm); /* a failure is then not the function's fault */

    if (how == TASK_THREW && !quits)
        judge_thrown(r, &e);
    else if (how == TASK_FAILED && !quits)
        judge_failed(r, why, &e);
    task_leave(t);
    note_end(r, &e);
    if (r->def->farewell)
        atomic_fetch_sub(&r->of->farewells, 1);
    if (quits || r->def->farewell)
        return;
    if (r->def->every_ms) {
        call_again(r, r->def->every_ms);
    } else if (e.code) {
        r->failures = clock_ms() - r->began_ms < SOUND_MS ? r->failures + 1 : 1;
        call_again(r, pause_ms(r->failures));
    }
    let_be_ready(r);
}

static const struct task_kind kind = {.noun = "the background function", .push = push, .end = end};

static void begin(struct runner *r)
{
    memset(&r->task, 0, sizeof(r->task));
    r->task.kind = &kind;
    r->task.vm = r->of->vm;
    r->task.max_bytes = MAX_ANSWER_BYTES;
    r->task.deadline_ms = TASK_NO_DEADLINE_MS;
    r->task.turn.bound_ms = TURN_MS;
    note_begin(r);
    task_start(&r->task);
}

static void next_call(struct timer *t)
{
    struct runner *r = list_entry(t, struct runner, next);

    if (!vm_quitting(r->of->vm))
        begin(r);
}

/* --- all of them --- */

/* The bounds of all functions that the node waits for begin here, even if another computes long. */
static void start_all(struct msg *m)
{
    struct background *b = list_entry(m, struct background, start);
    struct timers *timers = vm_timers(b->vm);
    size_t i;

    if (vm_quitting(b->vm))
        return;
    for (i = 0; i < b->n; i++) {
        struct runner *r = &b->list[i];

        if (r->waited && timers_set(timers, &r->patience, clock_ms() + r->def->ready_timeout_ms))
            let_be_ready(r);
    }
    for (i = 0; i < b->n; i++) {
        if (b->list[i].def->farewell)
            continue;
        if (timers_set(timers, &b->list[i].next, i)) /* at once, in order of definition */
            begin(&b->list[i]);
    }
}

static void take_leave(struct msg *m)
{
    struct background *b = list_entry(m, struct background, leave);
    size_t i;

    for (i = 0; i < b->n && !vm_quitting(b->vm); i++) {
        if (b->list[i].def->farewell && !b->list[i].runs)
            begin(&b->list[i]);
    }
}

struct background *background_new(struct vm *vm, void (*ready)(void *ctx), void *ctx)
{
    const struct defs *ds = vm_defs(vm);
    struct background *b = mem_zalloc(sizeof(*b));
    size_t i;

    b->vm = vm;
    b->ready = ready;
    b->ctx = ctx;
    b->start.run = start_all;
    b->leave.run = take_leave;
    b->n = defs_count_backgrounds(ds);
    b->list = mem_zalloc((b->n + 1) * sizeof(*b->list));
    pthread_mutex_init(&b->mu, NULL);
    for (i = 0; i < b->n; i++) {
        struct runner *r = &b->list[i];

        r->of = b;
        r->def = defs_background_at(ds, i);
        r->next.run = next_call;
        r->patience.run = patience_over;
        r->waited = r->def->ready_timeout_ms != 0;
        b->waits += r->waited != 0;
        b->farewells += r->def->farewell != 0;
    }
    return b;
}

void background_free(struct background *b)
{
    size_t i;

    if (!b)
        return;
    for (i = 0; i < b->n; i++)
        mem_free(b->list[i].last_error);
    mem_free(b->list);
    pthread_mutex_destroy(&b->mu);
    mem_free(b);
}

void background_start(struct background *b)
{
    inbox_post(vm_inbox(b->vm), &b->start); /* refused: the VM ends, so nothing must run */
}

void background_leave(struct background *b)
{
    if (!inbox_post(vm_inbox(b->vm), &b->leave))
        atomic_store(&b->farewells, 0);
}

unsigned background_farewells(const struct background *b)
{
    return atomic_load(&b->farewells);
}

unsigned background_waits(const struct background *b)
{
    return atomic_load(&b->waits);
}

void background_each(struct background *b, void (*fn)(void *arg, const struct background_stats *s),
                     void *arg)
{
    uint64_t now_ms = clock_ms();
    size_t i;

    pthread_mutex_lock(&b->mu);
    for (i = 0; i < b->n; i++) {
        const struct runner *r = &b->list[i];
        const struct background_stats s = {
            .name = r->def->name,
            .repeats = r->def->every_ms != 0,
            .runs = r->runs,
            .errors = r->errors,
            .last_error = r->last_error,
            .running = r->running,
            .running_ms = r->running && now_ms > r->began_ms ? now_ms - r->began_ms : 0,
        };

        fn(arg, &s);
    }
    pthread_mutex_unlock(&b->mu);
}
