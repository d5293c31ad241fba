/* SPDX-License-Identifier: MIT */
#include "node/control.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "script/background.h"
#include "script/defs.h"
#include "script/worker.h"

enum {
    STUCK_AFTER_MS = 1000, /* past the end of its turn: by then a hook would have stopped it */
    END_MS = 2000          /* for Lua code that is told to stop within a millisecond */
};

/* A worker with its functions. */
struct one {
    struct list link; /* in `leaving` */
    struct worker *worker;
    struct background *background;
    int stuck; /* the log has said so */
};

struct control {
    void (*ready)(void *ctx);
    void *ctx;
    pthread_mutex_t mu;
    struct one *now;     /* guarded by mu: the one that has taken over, or NULL */
    struct list leaving; /* guarded by mu */
    atomic_int stuck;    /* atomic: read for the statistics */
};

struct control *control_new(void (*ready)(void *ctx), void *ctx)
{
    struct control *c = mem_zalloc(sizeof(*c));

    c->ready = ready;
    c->ctx = ctx;
    pthread_mutex_init(&c->mu, NULL);
    list_init(&c->leaving);
    return c;
}

/* --- taking over --- */

static void one_free(struct one *o)
{
    if (!o)
        return;
    worker_free(o->worker);
    background_free(o->background);
    mem_free(o);
}

static struct one *one_start(struct control *c, struct worker *w, const struct vm_opts *vm,
                             struct error *e)
{
    struct one *o = mem_zalloc(sizeof(*o));

    o->worker = w;
    worker_settle(w, vm);
    o->background = background_new(worker_vm(w), c->ready, c->ctx);
    if (worker_start(w, e) == ERR_OK)
        return o;
    one_free(o);
    return NULL;
}

/* Returns when no code runs in it any more, or after END_MS. control_watch() frees it. */
static void one_leave(struct control *c, struct one *o)
{
    static const struct timespec pause = {0, 1000000};
    uint64_t until_ms = clock_ms() + END_MS;

    worker_quit(o->worker);
    while (!worker_ended(o->worker) && clock_ms() < until_ms)
        nanosleep(&pause, NULL);
    if (!worker_ended(o->worker)) {
        log_error("node", "a background function of an earlier script is stuck in a C function",
                  "vm=%s", worker_name(o->worker));
        worker_abandon(o->worker);
    }
    pthread_mutex_lock(&c->mu);
    list_push_back(&c->leaving, &o->link);
    pthread_mutex_unlock(&c->mu);
}

enum err control_take_over(struct control *c, struct worker *w, const struct vm_opts *vm,
                           struct error *e)
{
    struct one *next = NULL, *old;

    if (!defs_count_backgrounds(vm_defs(worker_vm(w))))
        worker_free(w); /* nothing would run there but what the script has opened as it was read */
    else if (!(next = one_start(c, w, vm, e)))
        return e->code;
    pthread_mutex_lock(&c->mu);
    old = c->now;
    c->now = next;
    atomic_store(&c->stuck, 0);
    pthread_mutex_unlock(&c->mu);
    if (old)
        one_leave(c, old);
    if (!next || !background_waits(next->background))
        c->ready(c->ctx);
    if (next)
        background_start(next->background);
    return ERR_OK;
}

/* --- watching --- */

static void look_at_locked(struct control *c, struct one *o, uint64_t now_ms)
{
    int stuck = worker_stuck(o->worker, now_ms, STUCK_AFTER_MS);

    if (stuck && !o->stuck)
        log_error("node", "a background function is stuck in a C function", "vm=%s",
                  worker_name(o->worker));
    if (!stuck && o->stuck)
        log_info("node", "a background function came out of its C function", "vm=%s",
                 worker_name(o->worker));
    o->stuck = stuck;
    atomic_store(&c->stuck, stuck);
}

/* To be called without a lock: closing a VM runs the script's finalizers. */
static void free_all(struct list *ended)
{
    struct list *l;

    while ((l = list_pop_front(ended)))
        one_free(list_entry(l, struct one, link));
}

void control_watch(struct control *c, uint64_t now_ms)
{
    struct list ended, *l, *tmp;

    list_init(&ended);
    pthread_mutex_lock(&c->mu);
    list_each_safe (l, tmp, &c->leaving) {
        if (worker_join(list_entry(l, struct one, link)->worker)) {
            list_del(l);
            list_push_back(&ended, l);
        }
    }
    if (c->now)
        look_at_locked(c, c->now, now_ms);
    pthread_mutex_unlock(&c->mu);
    free_all(&ended);
}

int control_stuck(const struct control *c)
{
    return atomic_load(&c->stuck);
}

void control_each(struct control *c, void (*fn)(void *arg, const struct background_stats *s),
                  void *arg)
{
    pthread_mutex_lock(&c->mu);
    if (c->now)
        background_each(c->now->background, fn, arg);
    pthread_mutex_unlock(&c->mu);
}

/* --- the end --- */

int control_leave(struct control *c, uint64_t ms, int (*hurry)(void *arg), void *arg)
{
    static const struct timespec pause = {0, 1000000};
    struct background *b = c->now ? c->now->background : NULL;
    uint64_t until_ms = clock_ms() + ms;
    int hurried = 0;

    if (!b || !background_farewells(b))
        return 0;
    background_leave(b);
    while (background_farewells(b) && clock_ms() < until_ms && !hurried) {
        hurried = hurry && hurry(arg);
        nanosleep(&pause, NULL);
    }
    if (background_farewells(b))
        log_warn("node", "a farewell to the sources of peers did not end in time", "ms=%llu",
                 (unsigned long long)ms);
    return hurried;
}

void control_quit(struct control *c)
{
    struct list *l;

    if (c->now)
        worker_quit(c->now->worker);
    list_each (l, &c->leaving) {
        worker_quit(list_entry(l, struct one, link)->worker);
    }
}

int control_stop(struct control *c, uint64_t until_ms)
{
    struct list *l;
    int ended = 1;

    if (c->now)
        ended &= worker_stop(c->now->worker, until_ms);
    list_each (l, &c->leaving) {
        ended &= worker_stop(list_entry(l, struct one, link)->worker, until_ms);
    }
    return ended;
}

void control_free(struct control *c)
{
    one_free(c->now);
    free_all(&c->leaving);
    pthread_mutex_destroy(&c->mu);
    mem_free(c);
}
