/* SPDX-License-Identifier: MIT */
/* workers.c - the VMs of the crew take the loads; retired and abandoned VMs are in `leaving`.
 *
 * A load that has not begun is in the backlog (script/backlog.h), and belongs to no VM. The crew's
 * VMs take from it.
 *
 * A VM leaves the crew in one of two ways. When a reload has brought a new crew, the VM retires: it
 * ends its loads. When a getter is stuck in a C function past its deadline, no hook can stop it,
 * and the VM is abandoned. Another VM takes its place at once. The stuck thread ends if it ever
 * comes out. At most as many VMs are abandoned at a time as the crew has. Beyond that, the crew
 * keeps its stuck VMs, and once all are stuck the node is helpless (helpless.h).
 *
 * Locks: `crew_mu` guards the crew. `mu` keeps reload and watch apart and is taken first. */
#include "node/workers.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "cache/group.h"
#include "net/net.h"
#include "script/backlog.h"
#include "script/defs.h"
#include "script/script.h"
#include "script/vm.h"
#include "script/worker.h"

enum {
    STUCK_AFTER_MS = 1000, /* past the deadline: by then a hook would have stopped it */
    RETRY_MS = 5000,       /* after a VM could not be replaced */
    STOP_MS = 2000         /* for threads whose Lua code is told to stop within a millisecond */
};

struct crew {
    struct worker **list; /* owned */
    size_t n;
};

struct workers_next {
    struct crew crew;
    struct script *script; /* a copy */
};

/* A retired or abandoned VM. */
struct leaver {
    struct list link;
    struct worker *worker;
    int stuck;
};

struct workers {
    struct workers_opts opts; /* set once; strings are ours */
    struct backlog *backlog;  /* owned; set once */
    pthread_mutex_t crew_mu;
    struct crew crew; /* guarded by crew_mu */
    pthread_mutex_t mu;
    struct script *script; /* guarded by mu, like the fields below */
    struct list leaving;
    unsigned made;        /* VMs, for their names */
    uint64_t retry_ms;    /* not before this time is a VM replaced: the last try failed */
    uint64_t helpless_ms; /* the watching thread's: workers_helpless_since_ms() */
    atomic_uint retiring, stuck, replaced; /* atomic: read for the statistics */
    struct timer alarm;                    /* the network thread's: calls backlog_look() */
    _Atomic uint64_t alarm_ms;             /* clock_ms() time at which it is to run */
    struct msg alarm_msg;                  /* to the network thread: the alarm is to be set */
    atomic_int alarm_sent;                 /* that message is under way */
};

/* --- making VMs --- */

static enum err run_script(struct vm *vm, struct script *s, struct error *e)
{
    enum err failed = vm_run_script(vm, s->path, s->text, s->len, e);

    script_failed(s, failed ? vm_script_error(vm) : NULL);
    return failed;
}

/* A worker with a VM that has run the script and defines the same groups as `defs`. */
static struct worker *make_worker(struct workers *w, struct script *s, const struct defs *defs,
                                  struct error *e)
{
    char name[32];
    struct worker_opts o = {.vm = w->opts.vm, .backlog = w->backlog};
    struct worker *made;
    struct vm *vm;

    snprintf(name, sizeof(name), "%s-%u", w->opts.kind, ++w->made);
    o.vm.name = name;
    made = worker_new(&o, e);
    if (!made)
        return NULL;
    vm = worker_vm(made);
    defs_share_constants(vm_defs(vm), defs);
    if (run_script(vm, s, e) || defs_compare(defs, vm_defs(vm), e) ||
        worker_open_loop(made, w->opts.loop, e)) {
        worker_free(made);
        return NULL;
    }
    return made;
}

/* Makes all workers of the crew, not started, or no worker. */
static enum err make_crew(struct workers *w, struct script *s, const struct defs *defs,
                          struct crew *out, struct error *e)
{
    size_t n = !w->opts.wanted || w->opts.wanted(defs) ? w->opts.n : 0;

    out->list = mem_zalloc((n + 1) * sizeof(struct worker *));
    for (out->n = 0; out->n < n; out->n++) {
        out->list[out->n] = make_worker(w, s, defs, e);
        if (!out->list[out->n])
            return e->code;
    }
    return ERR_OK;
}

static enum err start_crew(const struct crew *c, struct error *e)
{
    size_t i;

    for (i = 0; i < c->n; i++) {
        if (worker_start(c->list[i], e))
            return e->code;
    }
    return ERR_OK;
}

/* Frees workers that never had a load. */
static void drop_crew(struct crew *c)
{
    size_t i;

    for (i = 0; i < c->n; i++) {
        if (worker_stop(c->list[i], clock_ms() + STOP_MS))
            worker_free(c->list[i]);
    }
    mem_free(c->list);
    memset(c, 0, sizeof(*c));
}

/* --- loads that are held back --- */

static void alarm_rings(struct timer *t)
{
    backlog_look(list_entry(t, struct workers, alarm)->backlog);
}

/* On the network thread. Without memory for the timer the loads begin at once. */
static void alarm_set(struct msg *m)
{
    struct workers *w = list_entry(m, struct workers, alarm_msg);
    uint64_t now_ms = clock_ms(), at_ms;

    atomic_store(&w->alarm_sent, 0);
    at_ms = atomic_load(&w->alarm_ms);
    if (at_ms <= now_ms || net_timer_set(w->opts.vm.net, &w->alarm, at_ms - now_ms))
        backlog_look(w->backlog);
}

static void alarm_ask(void *ctx, uint64_t at_ms)
{
    struct workers *w = ctx;

    atomic_store(&w->alarm_ms, at_ms);
    if (!atomic_exchange(&w->alarm_sent, 1) && !net_post(w->opts.vm.net, &w->alarm_msg))
        atomic_store(&w->alarm_sent, 0);
}

/* --- who takes loads --- */

/* This thread's loads since workers_hold(). */
static _Thread_local struct {
    int depth;
    struct workers *workers; /* theirs */
    struct list flights;     /* flight.queued */
} held;

static void refuse(struct flight *f)
{
    group_finish_error(f, ERR_CLOSED, "the node is stopping");
}

void workers_load(struct workers *w, struct flight *f)
{
    if (held.depth && held.workers == w && group_max_keys(f->group) > 1)
        list_push_back(&held.flights, &f->queued);
    else if (!backlog_put(w->backlog, f))
        refuse(f);
}

void workers_hold(struct workers *w)
{
    if (held.depth++)
        return;
    held.workers = w;
    list_init(&held.flights);
}

void workers_release(void)
{
    struct list *l;

    if (--held.depth || list_empty(&held.flights) ||
        backlog_put_all(held.workers->backlog, &held.flights))
        return;
    while ((l = list_pop_front(&held.flights)))
        refuse(list_entry(l, struct flight, queued));
}

static void admit_crew(const struct crew *c)
{
    size_t i;

    for (i = 0; i < c->n; i++)
        worker_admit(c->list[i]);
}

static void add_leaver_locked(struct workers *w, struct worker *worker, int stuck)
{
    struct leaver *l = mem_zalloc(sizeof(*l));

    l->worker = worker;
    l->stuck = stuck;
    atomic_fetch_add(stuck ? &w->stuck : &w->retiring, 1);
    list_push_back(&w->leaving, &l->link);
}

static struct crew swap_crew(struct workers *w, struct crew next)
{
    struct crew old;

    pthread_mutex_lock(&w->crew_mu);
    old = w->crew;
    w->crew = next;
    pthread_mutex_unlock(&w->crew_mu);
    return old;
}

struct workers *workers_start(const struct workers_opts *o, struct vm *control,
                              struct script *script, struct error *e)
{
    struct workers *w = mem_zalloc(sizeof(*w));

    w->opts = *o;
    w->opts.vm.path = mem_strdup(o->vm.path);
    w->opts.vm.cpath = mem_strdup(o->vm.cpath);
    w->opts.vm.prelude = mem_strdup(o->vm.prelude);
    w->opts.loop = mem_strdup(o->loop);
    w->script = script_copy(script);
    w->backlog = backlog_new();
    w->alarm.run = alarm_rings;
    w->alarm_msg.run = alarm_set;
    backlog_on_alarm(w->backlog, alarm_ask, w);
    pthread_mutex_init(&w->crew_mu, NULL);
    pthread_mutex_init(&w->mu, NULL);
    list_init(&w->leaving);
    if (make_crew(w, script, vm_defs(control), &w->crew, e) || start_crew(&w->crew, e)) {
        drop_crew(&w->crew);
        workers_free(w);
        return NULL;
    }
    admit_crew(&w->crew);
    return w;
}

enum err workers_check(const struct workers_opts *o, struct vm *control, struct script *script,
                       struct error *e)
{
    struct workers w = {.opts = *o};
    struct worker *one = make_worker(&w, script, vm_defs(control), e);

    if (!one)
        return e->code;
    worker_free(one);
    return ERR_OK;
}

struct workers_next *workers_next(struct workers *w, struct vm *control, struct script *script,
                                  struct error *e)
{
    struct workers_next *next = mem_zalloc(sizeof(*next));
    enum err failed;

    pthread_mutex_lock(&w->mu);
    failed = make_crew(w, script, vm_defs(control), &next->crew, e);
    if (!failed)
        failed = start_crew(&next->crew, e);
    pthread_mutex_unlock(&w->mu);
    next->script = script_copy(script);
    if (!failed)
        return next;
    workers_next_drop(next);
    return NULL;
}

void workers_next_drop(struct workers_next *next)
{
    if (!next)
        return;
    drop_crew(&next->crew);
    script_free(next->script);
    mem_free(next);
}

void workers_reload(struct workers *w, struct workers_next *next)
{
    struct crew old;
    size_t i;

    pthread_mutex_lock(&w->mu);
    old = swap_crew(w, next->crew);
    for (i = 0; i < old.n; i++) {
        worker_retire(old.list[i]);
        add_leaver_locked(w, old.list[i], 0);
    }
    admit_crew(&next->crew);
    mem_free(old.list);
    script_free(w->script);
    w->script = next->script;
    pthread_mutex_unlock(&w->mu);
    mem_free(next);
}

int workers_call(struct workers *w, struct msg *m, struct worker **to)
{
    struct worker *best = NULL;
    size_t i;
    int taken;

    pthread_mutex_lock(&w->crew_mu);
    for (i = 0; i < w->crew.n; i++) {
        if (!best || worker_busy(w->crew.list[i]) < worker_busy(best))
            best = w->crew.list[i];
    }
    *to = best;
    taken = best && worker_call(best, m);
    pthread_mutex_unlock(&w->crew_mu);
    return taken;
}

/* --- watching --- */

static void replace_locked(struct workers *w, size_t i, uint64_t now_ms)
{
    struct worker *stuck = w->crew.list[i], *next;
    struct error e;

    next = make_worker(w, w->script, vm_defs(worker_vm(stuck)), &e);
    if (!next || worker_start(next, &e)) {
        const char *why = script_message(w->script, &e);
        char quoted[8 * ERROR_TEXT];

        log_error("node", "a stuck VM cannot be replaced", "vm=%s error=%s", worker_name(stuck),
                  log_quote(quoted, sizeof(quoted), why, strlen(why)));
        worker_free(next);
        w->retry_ms = now_ms + RETRY_MS;
        return;
    }
    pthread_mutex_lock(&w->crew_mu);
    w->crew.list[i] = next;
    pthread_mutex_unlock(&w->crew_mu);
    worker_admit(next);
    add_leaver_locked(w, stuck, 1);
    atomic_fetch_add(&w->replaced, 1);
    log_error("node", "code is stuck in a C function: its VM is abandoned and replaced",
              "vm=%s by=%s stuck=%u", worker_name(stuck), worker_name(next),
              atomic_load(&w->stuck));
    worker_abandon(stuck);
}

/* Moves ended VMs to `ended`. Abandons a retired VM that is stuck. */
static void look_at_leavers_locked(struct workers *w, uint64_t now_ms, struct list *ended)
{
    struct list *l, *tmp;

    list_each_safe (l, tmp, &w->leaving) {
        struct leaver *leaver = list_entry(l, struct leaver, link);

        if (worker_join(leaver->worker)) {
            list_del(l);
            list_push_back(ended, l);
            atomic_fetch_sub(leaver->stuck ? &w->stuck : &w->retiring, 1);
        } else if (!leaver->stuck && worker_stuck(leaver->worker, now_ms, STUCK_AFTER_MS)) {
            leaver->stuck = 1;
            atomic_fetch_sub(&w->retiring, 1);
            atomic_fetch_add(&w->stuck, 1);
            log_error("node", "code of an earlier script is stuck in a C function", "vm=%s",
                      worker_name(leaver->worker));
            worker_abandon(leaver->worker);
        }
    }
}

/* To be called without a lock: closing a VM runs the script's finalizers. */
static void free_leavers(struct list *ended)
{
    struct list *l;

    while ((l = list_pop_front(ended))) {
        struct leaver *leaver = list_entry(l, struct leaver, link);

        worker_free(leaver->worker);
        mem_free(leaver);
    }
}

uint64_t workers_helpless_since_ms(const struct workers *w)
{
    return w->helpless_ms;
}

void workers_watch(struct workers *w, uint64_t now_ms)
{
    struct list ended;
    size_t i, stuck = 0;

    list_init(&ended);
    pthread_mutex_lock(&w->mu);
    look_at_leavers_locked(w, now_ms, &ended);
    for (i = 0; i < w->crew.n && atomic_load(&w->stuck) < w->crew.n; i++) {
        if (now_ms >= w->retry_ms && worker_stuck(w->crew.list[i], now_ms, STUCK_AFTER_MS))
            replace_locked(w, i, now_ms);
    }
    for (i = 0; i < w->crew.n; i++)
        stuck += worker_stuck(w->crew.list[i], now_ms, STUCK_AFTER_MS) ? 1 : 0;
    if (stuck < w->crew.n || !w->crew.n)
        w->helpless_ms = 0;
    else if (!w->helpless_ms)
        w->helpless_ms = now_ms;
    pthread_mutex_unlock(&w->mu);
    free_leavers(&ended);
}

/* A getter may compute or block for long, so one VM is enough. */
int workers_turned(struct workers *w)
{
    int turned = 0;
    size_t i;

    pthread_mutex_lock(&w->crew_mu);
    for (i = 0; i < w->crew.n; i++)
        turned |= worker_turned(w->crew.list[i]);
    pthread_mutex_unlock(&w->crew_mu);
    return turned;
}

void workers_stats(struct workers *w, struct workers_stats *out)
{
    size_t i;

    memset(out, 0, sizeof(*out));
    pthread_mutex_lock(&w->crew_mu);
    out->vms = w->crew.n;
    for (i = 0; i < w->crew.n; i++)
        out->loads += worker_busy(w->crew.list[i]);
    pthread_mutex_unlock(&w->crew_mu);
    out->queued = (unsigned)backlog_count(w->backlog);
    out->loads += out->queued;
    out->retiring = atomic_load(&w->retiring);
    out->stuck = atomic_load(&w->stuck);
    out->replaced = atomic_load(&w->replaced);
}

/* --- the end --- */

int workers_stop(struct workers *w)
{
    uint64_t until_ms = clock_ms() + STOP_MS;
    struct list *l;
    int ended = 1;
    size_t i;

    for (i = 0; i < w->crew.n; i++)
        worker_quit(w->crew.list[i]);
    backlog_close(w->backlog);
    list_each (l, &w->leaving) {
        worker_quit(list_entry(l, struct leaver, link)->worker);
    }
    for (i = 0; i < w->crew.n; i++)
        ended &= worker_stop(w->crew.list[i], until_ms);
    list_each (l, &w->leaving) {
        ended &= worker_stop(list_entry(l, struct leaver, link)->worker, until_ms);
    }
    return ended;
}

void workers_free(struct workers *w)
{
    size_t i;

    if (!w)
        return;
    for (i = 0; i < w->crew.n; i++)
        worker_free(w->crew.list[i]);
    mem_free(w->crew.list);
    free_leavers(&w->leaving);
    script_free(w->script);
    pthread_mutex_destroy(&w->mu);
    pthread_mutex_destroy(&w->crew_mu);
    backlog_free(w->backlog);
    mem_free((char *)(size_t)w->opts.vm.path);
    mem_free((char *)(size_t)w->opts.vm.cpath);
    mem_free((char *)(size_t)w->opts.vm.prelude);
    mem_free((char *)(size_t)w->opts.loop);
    mem_free(w);
}
