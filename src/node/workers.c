/* SPDX-License-Identifier: MIT */
/* workers.c - a crew of VMs takes the loads; VMs that are on their way out wait in `leaving`.
 *
 * A VM leaves in one of two ways. It retires when a reload has brought a new crew: it ends what it
 * has. Or it is abandoned, because a getter is stuck in a C function, past its deadline, where no
 * hook can stop it: another VM takes its place at once, gets the loads that had not begun, and the
 * stuck thread ends by itself if it ever comes out. At most as many VMs are stuck at a time as the
 * crew has; beyond that a load that comes to a stuck VM ends by its deadline.
 *
 * Locks: `crew_lock` guards who takes loads (held for reading while one is posted, so that no load
 * reaches a VM that was told to leave); `mu` keeps reload and watch apart and is taken first. */
#include "node/workers.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "script/defs.h"
#include "script/script.h"
#include "script/vm.h"

enum { STUCK_AFTER_MS = 1000 /* past the deadline: by then a hook would have stopped it */ };

struct crew {
    struct vm **list; /* owned */
    size_t n;
};

/* A VM on its way out. */
struct leaver {
    struct list link;
    struct vm *vm;
    int stuck;
};

struct workers {
    struct workers_opts opts; /* set once; strings are ours */
    pthread_rwlock_t crew_lock;
    struct crew crew; /* guarded by crew_lock */
    pthread_mutex_t mu;
    struct script *script;  /* guarded by mu, like what follows */
    struct list leaving;
    unsigned made;          /* VMs, for their names */
    unsigned stuck, replaced;
};

/* --- making VMs --- */

static void redirect(void *ctx, struct flight *f)
{
    workers_load(ctx, f);
}

/* A VM that has run the script and defines what `defs` does. */
static struct vm *make_vm(struct workers *w, const struct script *s, const struct defs *defs,
                          struct error *e)
{
    char name[32];
    const struct vm_opts o = {
        .name = name,
        .path = w->opts.path,
        .cpath = w->opts.cpath,
        .max_bytes = w->opts.vm_bytes,
        .jit = w->opts.jit,
        .open = w->opts.open,
        .prelude = w->opts.prelude,
        .net = w->opts.net,
        .groups = w->opts.groups,
        .redirect = redirect,
        .ctx = w,
    };
    struct vm *vm;

    snprintf(name, sizeof(name), "lua-%u", ++w->made);
    vm = vm_new(&o, e);
    if (!vm)
        return NULL;
    if (vm_run_script(vm, s->path, s->text, s->len, e) || defs_compare(defs, vm_defs(vm), e)) {
        vm_free(vm);
        return NULL;
    }
    return vm;
}

/* Not started yet, all of them, or none. */
static enum err make_crew(struct workers *w, const struct script *s, const struct defs *defs,
                          struct crew *out, struct error *e)
{
    out->list = mem_zalloc(w->opts.n * sizeof(struct vm *));
    for (out->n = 0; out->n < w->opts.n; out->n++) {
        out->list[out->n] = make_vm(w, s, defs, e);
        if (!out->list[out->n])
            return e->code;
    }
    return ERR_OK;
}

static enum err start_crew(const struct crew *c, struct error *e)
{
    size_t i;

    for (i = 0; i < c->n; i++) {
        if (vm_start(c->list[i], e))
            return e->code;
    }
    return ERR_OK;
}

/* VMs that never had a load. */
static void drop_crew(struct crew *c)
{
    size_t i;

    for (i = 0; i < c->n; i++) {
        if (vm_stop(c->list[i]))
            vm_free(c->list[i]);
    }
    mem_free(c->list);
    memset(c, 0, sizeof(*c));
}

/* --- who takes loads --- */

void workers_load(struct workers *w, struct flight *f)
{
    struct vm *best;
    size_t i;

    /* Reading the counts without a lock may choose the second best, which does no harm. */
    pthread_rwlock_rdlock(&w->crew_lock);
    best = w->crew.list[0];
    for (i = 1; i < w->crew.n && vm_busy(best); i++) {
        if (vm_busy(w->crew.list[i]) < vm_busy(best))
            best = w->crew.list[i];
    }
    vm_load(best, f);
    pthread_rwlock_unlock(&w->crew_lock);
}

static void add_leaver_locked(struct workers *w, struct vm *vm, int stuck)
{
    struct leaver *l = mem_zalloc(sizeof(*l));

    l->vm = vm;
    l->stuck = stuck;
    w->stuck += stuck ? 1 : 0;
    list_push_back(&w->leaving, &l->link);
}

static struct crew swap_crew(struct workers *w, struct crew next)
{
    struct crew old;

    pthread_rwlock_wrlock(&w->crew_lock);
    old = w->crew;
    w->crew = next;
    pthread_rwlock_unlock(&w->crew_lock);
    return old;
}

struct workers *workers_start(const struct workers_opts *o, struct vm *control,
                              const struct script *script, struct error *e)
{
    struct workers *w = mem_zalloc(sizeof(*w));

    w->opts = *o;
    w->opts.path = mem_strdup(o->path);
    w->opts.cpath = mem_strdup(o->cpath);
    w->opts.prelude = mem_strdup(o->prelude);
    w->script = script_copy(script);
    pthread_rwlock_init(&w->crew_lock, NULL);
    pthread_mutex_init(&w->mu, NULL);
    list_init(&w->leaving);
    if (make_crew(w, script, vm_defs(control), &w->crew, e) || start_crew(&w->crew, e)) {
        drop_crew(&w->crew);
        workers_free(w);
        return NULL;
    }
    return w;
}

enum err workers_reload(struct workers *w, struct vm *control, const struct script *script,
                        struct error *e)
{
    struct crew next, old;
    size_t i;

    pthread_mutex_lock(&w->mu);
    if (make_crew(w, script, vm_defs(control), &next, e) || start_crew(&next, e)) {
        pthread_mutex_unlock(&w->mu);
        drop_crew(&next);
        return e->code;
    }
    old = swap_crew(w, next);
    for (i = 0; i < old.n; i++) {
        vm_retire(old.list[i]);
        add_leaver_locked(w, old.list[i], 0);
    }
    mem_free(old.list);
    script_free(w->script);
    w->script = script_copy(script);
    pthread_mutex_unlock(&w->mu);
    return ERR_OK;
}

/* --- watching --- */

static void replace_locked(struct workers *w, size_t i)
{
    struct vm *stuck = w->crew.list[i], *vm;
    struct error e;

    vm = make_vm(w, w->script, vm_defs(stuck), &e);
    if (!vm || vm_start(vm, &e)) {
        log_error("node", "a stuck VM cannot be replaced", "vm=%s error=\"%s\"", vm_name(stuck),
                  e.msg);
        vm_free(vm);
        return;
    }
    pthread_rwlock_wrlock(&w->crew_lock);
    w->crew.list[i] = vm;
    pthread_rwlock_unlock(&w->crew_lock);
    add_leaver_locked(w, stuck, 1);
    w->replaced++;
    log_error("node", "a getter is stuck in a C function: its VM is abandoned and replaced",
              "vm=%s by=%s stuck=%u", vm_name(stuck), vm_name(vm), w->stuck);
    vm_abandon(stuck);
}

static void reap_locked(struct workers *w)
{
    struct list *l, *tmp;

    list_each_safe(l, tmp, &w->leaving) {
        struct leaver *leaver = list_entry(l, struct leaver, link);

        if (!vm_join(leaver->vm))
            continue;
        list_del(l);
        w->stuck -= leaver->stuck ? 1 : 0;
        vm_free(leaver->vm);
        mem_free(leaver);
    }
}

void workers_watch(struct workers *w, uint64_t now_ms)
{
    size_t i;

    pthread_mutex_lock(&w->mu);
    reap_locked(w);
    for (i = 0; i < w->crew.n && w->stuck < w->crew.n; i++) {
        if (vm_stuck(w->crew.list[i], now_ms, STUCK_AFTER_MS))
            replace_locked(w, i);
    }
    pthread_mutex_unlock(&w->mu);
}

void workers_stats(struct workers *w, struct workers_stats *out)
{
    struct list *l;
    size_t i;

    memset(out, 0, sizeof(*out));
    pthread_mutex_lock(&w->mu);
    out->n = w->crew.n;
    for (i = 0; i < w->crew.n; i++)
        out->loads += vm_busy(w->crew.list[i]);
    list_each(l, &w->leaving) {
        out->retiring += !list_entry(l, struct leaver, link)->stuck;
    }
    out->stuck = w->stuck;
    out->replaced = w->replaced;
    pthread_mutex_unlock(&w->mu);
}

/* --- the end --- */

int workers_stop(struct workers *w)
{
    struct list *l;
    int ended = 1;
    size_t i;

    for (i = 0; i < w->crew.n; i++)
        ended &= vm_stop(w->crew.list[i]);
    list_each(l, &w->leaving) {
        ended &= vm_stop(list_entry(l, struct leaver, link)->vm);
    }
    return ended;
}

void workers_free(struct workers *w)
{
    struct list *l;
    size_t i;

    if (!w)
        return;
    for (i = 0; i < w->crew.n; i++)
        vm_free(w->crew.list[i]);
    mem_free(w->crew.list);
    while ((l = list_pop_front(&w->leaving))) {
        struct leaver *leaver = list_entry(l, struct leaver, link);

        vm_free(leaver->vm);
        mem_free(leaver);
    }
    script_free(w->script);
    pthread_mutex_destroy(&w->mu);
    pthread_rwlock_destroy(&w->crew_lock);
    mem_free((char *)(size_t)w->opts.path);
    mem_free((char *)(size_t)w->opts.cpath);
    mem_free((char *)(size_t)w->opts.prelude);
    mem_free(w);
}
