/* SPDX-License-Identifier: MIT */
/* group_load.c - loads: join or open, start, end.
 *
 * A miss on a key that another node owns opens a remote flight; any other miss a local one. When
 * the owner cannot be used, its flight does not run the getter itself: it becomes one more waiter
 * of the key's local flight. So the getter runs once per key and node, even when a peer's request,
 * which joins only local flights, arrives in between.
 *
 * A flight is queued until there is a place for it. If it would not have one in time, its get is
 * BUSY at once (group_places.c).
 * group_tick() ends every flight at its deadline, whatever its loader does. A loader that is late
 * finds the flight ended and only gives back its reference. */
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/spans.h"
#include "base/traceparent.h"
#include "cache/after.h"
#include "cache/group_in.h"

static void end_locked(struct flight *f, struct after *a)
{
    struct group *g = f->group;

    g->waiters -= f->n_waiters;
    a->unstarted = group_places_leave_locked(f);
    g->instead -= f->instead ? 1 : 0;
    flights_end(g->flights[f->kind], f, &a->woken);
    a->ended = f;
    group_places_start_locked(g, a);
}

static enum err refuse(struct result *now, enum err code, const char *why, struct group *g)
{
    now->item = NULL;
    return error_set(&now->err, code, "group %s: %s", g->name, why);
}

/* Without memory the getter does not see these headers. */
static void keep_info(struct flight *f, const struct waiter *w)
{
    f->info = w->info_len ? mem_alloc(w->info_len) : NULL;
    if (!f->info)
        return;
    memcpy(f->info, w->info, w->info_len);
    f->info_len = w->info_len;
}

/* The load belongs to the trace of the request that opens it; later waiters may have others.
 * Without memory it has none. */
static void keep_trace(struct flight *f, const struct waiter *w)
{
    const struct traceparent *of = w->trace ? w->trace : w->from ? w->from->trace : NULL;
    struct spans *ss = f->group->loader.spans;
    struct traceparent begun;

    if (!of && ss && !w->from && !f->from_peer && spans_may_begin(ss, &begun))
        of = &begun;
    f->trace = of ? mem_alloc(sizeof(*f->trace)) : NULL;
    if (f->trace)
        traceparent_child(f->trace, of);
}

/* 1: a getter of this node asks for the load, itself or through a load at a peer. */
static int is_nested(const struct waiter *w)
{
    return w->from && (w->from->kind == FLIGHT_LOCAL || w->from->nested);
}

/* Whether a new local load of the key would be of no use. 1: the reason is in now->err. */
static int is_refused_locked(struct group *g, const struct key_ref *k, const struct waiter *w,
                             int waits, struct result *now)
{
    int hopeless = !is_nested(w) && (group_places_is_hopeless_locked(g, now) ||
                                     group_calm_is_too_much_locked(g, now));

    g->stats.hopeless += hopeless ? 1 : 0;
    return hopeless || group_calm_refuses_locked(g, k, waits, now);
}

/* Joins the key's flight or opens one. *open is the new flight, with a reference for its loader, or
 * NULL. ERR_OK: w waits if `waits` is 1; otherwise the load runs in the background. */
static enum err join_or_open_locked(struct group *g, enum flight_kind kind, const struct key_ref *k,
                                    int from_peer, struct waiter *w, int waits,
                                    struct flight **open, struct result *now)
{
    struct flights *fs = g->flights[kind];
    struct flight *f = flights_find(fs, k);
    uint64_t now_ns;

    *open = NULL;
    if (g->closed)
        return refuse(now, ERR_CLOSED,
                      "closed: the node is stopping, or a reload removed the group", g);
    if (f && !waits)
        return ERR_OK;
    if (f && f->n_waiters >= GROUP_MAX_WAITERS)
        return refuse(now, ERR_BUSY, "too many callers wait for this key", g);
    if (f && w->from && !cycle_add(&w->edge, &w->from->cycle, &f->cycle))
        return refuse(now, ERR_CYCLE, "the load of this key waits for the one that asks for it", g);
    if (!f) {
        if (flights_count(fs) >= GROUP_MAX_FLIGHTS)
            return refuse(now, ERR_BUSY, "too many loads are under way", g);
        if (kind == FLIGHT_LOCAL && is_refused_locked(g, k, w, waits, now))
            return ERR_BUSY;
        now_ns = clock_ns();
        f = flights_open(fs, k, now_ns / 1000000 + g->opts.timeout_ms);
        if (!f)
            return refuse(now, ERR_NOMEM, "no memory for a load", g);
        group_wake_locked(g);
        f->opened_ns = now_ns;
        f->tags_began = g->tags.last;
        if (waits && w->from)
            cycle_add(&w->edge, &w->from->cycle,
                      &f->cycle); /* a new flight waits for no flight yet */
        keep_info(f, w);
        f->group = group_ref(g);
        f->kind = kind;
        f->from_peer = from_peer;
        keep_trace(f, w);
        f->nested = is_nested(w);
        g->stats.loads_deduped++;
        *open = f;
    }
    if (waits) {
        w->tags_seen = g->tags.last;
        flight_join(f, w);
        g->waiters++;
    }
    return ERR_OK;
}

/* 1: the result is known without a load, and is in r. *revalidate: it is stale, and is to be loaded
 * in the background. */
static int known_locked(struct group *g, const struct found *found, struct result *r,
                        int *revalidate)
{
    *revalidate = 0;
    if (found->live) { /* a flight ended between the caller's lookup and now, as in Go's load() */
        /* Else the lookup was the hit, and whoever asks for bytes alone has come here for the
         * error. */
        g->stats.cache_hits += item_is_value(found->live) ? 1 : 0;
        r->item = item_ref(found->live);
        r->source = found->source;
    } else if (found->negative) {
        g->stats.negative_hits++;
        r->expires_ms = item_expires_ms(found->negative);
        error_set(&r->err, ERR_NOTFOUND, "group %s: not found", g->name);
    } else if (group_stale_spares_locked(g, found->stale)) {
        g->stats.stale_hits++;
        g->stats.stale_spared++;
        r->item = item_ref(found->stale);
        r->source = SOURCE_STALE;
    } else if (group_stale_may_revalidate_locked(g, found->stale)) {
        *revalidate = 1;
        g->stats.stale_hits++;
        r->item = item_ref(found->stale);
        r->source = SOURCE_STALE;
    } else {
        return 0;
    }
    return 1;
}

/* Fills *r with an error, or with a stale value in its place. */
static void replace_error_locked(struct group *g, struct item *stale, struct result *r,
                                 uint64_t callers)
{
    if (r->item || !group_stale_may_replace_error_locked(g, stale, r->err.code))
        return;
    g->stats.stale_hits += callers;
    r->item = item_ref(stale);
    r->source = SOURCE_STALE;
}

/* What answers a load: a value that is held, if there is one; only a new value; nothing, since
 * nobody waits. */
enum load_how { LOAD_HELD, LOAD_ANEW, LOAD_BEHIND };

static int load(struct group *g, const struct key_ref *k, int from_peer, enum load_how how,
                struct waiter *w, struct result *now)
{
    struct result end = {.item = NULL}; /* not *now: once w waits, only the waker writes *now */
    struct peer *owner = NULL;
    struct flight *open = NULL;
    enum flight_kind kind;
    struct found found;
    struct after a;
    enum err err = ERR_OK;
    int known, revalidate = 0;

    if (!from_peer && !atomic_load_explicit(&g->local_only, memory_order_relaxed) &&
        !atomic_load(&g->closed))
        owner = g->loader.owner(g->loader.ctx, k->bytes, k->n);
    kind = owner ? FLIGHT_REMOTE : FLIGHT_LOCAL;
    after_init(&a);

    pthread_mutex_lock(&g->mu);
    g->stats.loads++;
    group_keep_find_locked(g, k, &found, &a);
    known = how == LOAD_HELD && known_locked(g, &found, &end, &revalidate);
    if (how == LOAD_ANEW && found.live && g->stats.cache_hits)
        g->stats.cache_hits--; /* the caller's lookup was none */
    if (!known || revalidate) {
        struct result refused = {.item = NULL};

        err = join_or_open_locked(g, kind, k, from_peer, w, !revalidate && how != LOAD_BEHIND,
                                  &open, &refused);
        if (open && kind == FLIGHT_LOCAL)
            group_places_enqueue_locked(g, open, &a);
        else if (open)
            open->state = FLIGHT_RUNNING;
        if (err && !known) {
            end = refused;
            group_failed_note_locked(g, "limit", k, &refused.err, w->trace);
            replace_error_locked(g, found.stale, &end, 1);
            known = 1;
        }
    }
    pthread_mutex_unlock(&g->mu);

    after_run(g, &a);
    if (open && kind == FLIGHT_REMOTE)
        g->loader.remote(g->loader.ctx, open, owner);
    else if (owner)
        g->loader.disown(g->loader.ctx, owner);
    if (known)
        *now = end;
    return known;
}

int group_load(struct group *g, const struct key_ref *k, int from_peer, struct waiter *w,
               struct result *now)
{
    return load(g, k, from_peer, LOAD_HELD, w, now);
}

int group_load_anew(struct group *g, const struct key_ref *k, int from_peer, struct waiter *w,
                    struct result *now)
{
    return load(g, k, from_peer, LOAD_ANEW, w, now);
}

void group_load_behind(struct group *g, const struct key_ref *k, int from_peer, struct waiter *w)
{
    struct result refused = {.item = NULL};

    load(g, k, from_peer, LOAD_BEHIND, w, &refused);
    item_unref(refused.item);
}

void group_load_ahead(struct group *g, const struct key_ref *k)
{
    struct waiter nobody = {.wake = NULL};
    struct peer *owner = NULL;
    struct flight *open = NULL;
    struct result refused = {.item = NULL};
    struct after a;

    if (!atomic_load_explicit(&g->local_only, memory_order_relaxed) && !atomic_load(&g->closed))
        owner = g->loader.owner(g->loader.ctx, k->bytes, k->n);
    if (owner) {
        g->loader.disown(g->loader.ctx, owner);
        return;
    }
    after_init(&a);
    pthread_mutex_lock(&g->mu);
    join_or_open_locked(g, FLIGHT_LOCAL, k, 0, &nobody, 0, &open, &refused);
    if (open) {
        open->renews = 1;
        g->stats.refreshes++;
        group_places_enqueue_locked(g, open, &a);
    }
    pthread_mutex_unlock(&g->mu);
    after_run(g, &a);
}

/* Counts how a load ended, by Go's meaning. */
static void count_end_locked(struct group *g, const struct flight *f, const struct result *r)
{
    if (f->kind == FLIGHT_LOCAL && r->item && r->source == SOURCE_PEER)
        g->stats.handed++;
    else if (f->kind == FLIGHT_LOCAL && r->item)
        g->stats.local_loads++;
    else if (f->kind == FLIGHT_LOCAL)
        g->stats.local_load_errs++;
    else if (r->item && r->source == SOURCE_PEER)
        g->stats.peer_loads++;
    else if (r->err.code == ERR_TIMEOUT && !f->fell_back)
        g->stats.peer_errors++;
}

static void count_getter_locked(struct group *g, const struct flight *f, uint64_t now_ns,
                                uint64_t took_ns)
{
    struct key_ref k = flight_key(f);

    histogram_add(&g->stats.getter_times, took_ns, 1);
    recent_took(&g->recent, &k, took_ns / 1000, now_ns / 1000000);
}

/* Counts how long a load took until now. A remote flight that fell back was counted then. */
static void count_times_locked(struct group *g, const struct flight *f)
{
    uint64_t now_ns = clock_ns(), began_ns = atomic_load(&f->began_ns);

    if (f->kind == FLIGHT_LOCAL) {
        histogram_add(&g->stats.wait_times, (began_ns ? began_ns : now_ns) - f->opened_ns, 1);
        if (began_ns)
            count_getter_locked(g, f, now_ns, now_ns - began_ns);
    } else if (!f->fell_back) {
        histogram_add(&g->stats.peer_times, now_ns - f->opened_ns, 1);
    }
}

/* Ends an open flight with r, or with a stale value in its place. */
static void finish_locked(struct flight *f, const struct result *r, struct after *a)
{
    struct group *g = f->group;
    struct key_ref k = flight_key(f);
    struct found found;

    count_end_locked(g, f, r);
    count_times_locked(g, f);
    group_calm_note_locked(g, f, r);
    if (!r->item && !f->fell_back) /* the load that took over has told */
        group_failed_note_locked(g, f->kind == FLIGHT_LOCAL ? "getter" : "peer", &k, &r->err,
                                 f->trace);
    result_copy(&a->result, r);
    if (!r->item && !flights_outdated(g->flights[f->kind], f)) {
        group_keep_peek_locked(g, &k, &found);
        if ((found.stale || found.live) && !f->fell_back && group_stale_is_outage(r->err.code))
            group_stale_pause_locked(g, found.stale ? found.stale : found.live);
        replace_error_locked(g, found.stale, &a->result, f->n_waiters);
    }
    group_keep_locked(g, f, &a->result, a);
    end_locked(f, a);
}

/* What the waiter lent for its first call may be gone, so it is the flight's. A remote flight that
 * fell back falls back again: it would wait for itself. */
static int load_once_more(struct flight *f, struct waiter *w, struct result *now)
{
    int is_fallback = w->from && w == &w->from->fallback;
    struct key_ref k = flight_key(f);

    if (f->group->loader.by_caller) {
        w->late = 1;
        refuse(now, ERR_BUSY, "a tag of the value was removed during its load: ask again",
               f->group);
        return 1;
    }
    w->info = f->info;
    w->info_len = f->info_len;
    w->trace = f->trace;
    return group_load(f->group, &k, f->from_peer || is_fallback, w, now);
}

/* Waiters that must not get the value of this flight wait for another load. */
static void load_again(struct flight *f, struct list *late)
{
    struct list *l;

    while ((l = list_pop_front(late))) {
        struct waiter *w = list_entry(l, struct waiter, link);
        struct flight *from = w->from;
        struct result now = {.item = NULL};

        if (load_once_more(f, w, &now)) {
            w->wake(w, &now);
            item_unref(now.item);
        }
        if (from)
            after_drop_flight(from);
    }
}

/* The oldest queued flight, if the breaker has opened after it. */
static struct flight *stopped_locked(struct group *g)
{
    int nested;

    for (nested = 0; nested < 2; nested++) {
        struct flight *f = list_empty(&g->queues[nested])
                               ? NULL
                               : list_entry(g->queues[nested].next, struct flight, queued);

        if (f && group_calm_is_stopped_locked(g, f))
            return f;
    }
    return NULL;
}

/* Ends the flights that were queued when the breaker opened, one critical section each. */
static void end_stopped(struct group *g)
{
    struct flight *f;

    do {
        struct result r = {.item = NULL};
        struct after a;

        after_init(&a);
        pthread_mutex_lock(&g->mu);
        f = stopped_locked(g);
        if (f) {
            g->stats.breaker_refused++;
            refuse(&r, ERR_BUSY, "the source has begun to fail while this load waited", g);
            finish_locked(f, &r, &a);
        }
        pthread_mutex_unlock(&g->mu);
        after_run(g, &a);
    } while (f);
}

void group_finish(struct flight *f, const struct result *r)
{
    struct group *g = f->group;
    struct list late;
    int stopped = 0;
    struct after a;

    after_init(&a);
    list_init(&late);
    pthread_mutex_lock(&g->mu);
    if (f->state != FLIGHT_ENDED) {
        finish_locked(f, r, &a);
        group_tags_sort_out_locked(g, f, r->item, &a.woken, &late);
        stopped = stopped_locked(g) != NULL;
    }
    pthread_mutex_unlock(&g->mu);
    after_run(g, &a);
    load_again(f, &late);
    if (stopped)
        end_stopped(g);
    after_drop_flight(f);
}

/* The local flight has ended, and ends the remote flight that waited for it. */
static void fallback_wake(struct waiter *w, const struct result *r)
{
    group_finish(list_entry(w, struct flight, fallback), r);
}

/* Whether one more key that peers should load is too much for our getter. */
static int is_too_much_locked(struct group *g, const struct key_ref *k)
{
    uint64_t share = g->opts.max_loads / GROUP_INSTEAD_SHARE;

    return g->instead >= (share ? share : 1) && !flights_find(g->flights[FLIGHT_LOCAL], k);
}

/* The remote flight f joins the key's local flight, or opens it. */
static enum err fall_back_locked(struct group *g, struct flight *f, int ours, struct flight **open,
                                 struct result *now)
{
    struct key_ref k = flight_key(f);
    enum err err;

    if (!ours && is_too_much_locked(g, &k))
        return refuse(now, ERR_BUSY, "too many loads of keys whose owners cannot be used", g);
    err = join_or_open_locked(g, FLIGHT_LOCAL, &k, 0, &f->fallback, 1, open, now);
    if (*open) {
        (*open)->instead = !ours;
        g->instead += ours ? 0 : 1;
    }
    return err;
}

void group_fallback(struct flight *f, int ours)
{
    struct group *g = f->group;
    struct flight *open = NULL;
    struct result now = {.item = NULL};
    struct after a;
    enum err err = ERR_OK;
    int ended;

    after_init(&a);
    f->fallback.wake = fallback_wake;
    f->fallback.from = f;
    f->fallback.info = f->info;
    f->fallback.info_len = f->info_len;
    pthread_mutex_lock(&g->mu);
    ended = f->state == FLIGHT_ENDED; /* with CLOSED, or with TIMEOUT, which was counted then */
    if (!ended) {
        g->stats.peer_errors++;
        count_times_locked(g, f);
        err = fall_back_locked(g, f, ours, &open, &now);
        f->fell_back = !err;
        if (open) {
            g->stats.loads_deduped--; /* one load, in two flights */
            group_places_enqueue_locked(g, open, &a);
        }
    }
    pthread_mutex_unlock(&g->mu);
    after_run(g, &a);
    if (ended)
        after_drop_flight(f);
    else if (err)
        group_finish(f, &now);
}

void group_load_here(struct flight *f)
{
    f->group->loader.local(f->group->loader.ctx, f);
}

void group_load_elsewhere(struct flight *f, struct peer *other)
{
    struct group *g = f->group;

    pthread_mutex_lock(&g->mu);
    g->stats.peer_errors++;
    pthread_mutex_unlock(&g->mu);
    if (!atomic_load(&g->closed)) {
        g->loader.remote(g->loader.ctx, f, other);
        return;
    }
    g->loader.disown(g->loader.ctx, other); /* the flight has ended */
    after_drop_flight(f);
}

void group_load_abstain(struct flight *f)
{
    after_drop_flight(f);
}

/* Ends every flight whose deadline is not after until_ms, one critical section each. */
static void end_until(struct group *g, uint64_t until_ms, const struct result *r)
{
    struct flight *f;
    struct after a;
    int kind;

    for (kind = 0; kind < FLIGHT_KINDS; kind++) {
        do {
            after_init(&a);
            pthread_mutex_lock(&g->mu);
            f = flights_oldest(g->flights[kind]);
            if (f && f->deadline_ms <= until_ms)
                finish_locked(f, r, &a);
            else
                f = NULL;
            pthread_mutex_unlock(&g->mu);
            after_run(g, &a);
        } while (f);
    }
}

static int is_overdue(struct group *g, uint64_t now_ms)
{
    int kind, overdue = 0;

    pthread_mutex_lock(&g->mu);
    for (kind = 0; kind < FLIGHT_KINDS; kind++) {
        const struct flight *f = flights_oldest(g->flights[kind]);

        overdue |= f && f->deadline_ms <= now_ms;
    }
    pthread_mutex_unlock(&g->mu);
    return overdue;
}

void group_tick(struct group *g, uint64_t now_ms)
{
    struct result late = {.item = NULL};

    group_keep_tick(g, now_ms);
    group_keep_say_unkept(g);
    group_places_tick(g);
    if (!is_overdue(g, now_ms))
        return;
    group_late(g, group_opts(g).timeout_ms, &late.err);
    end_until(g, now_ms, &late);
    end_stopped(g);
}

void group_close(struct group *g)
{
    struct result closed = {.item = NULL};

    refuse(&closed, ERR_CLOSED, "closed: the node is stopping, or a reload removed the group", g);
    pthread_mutex_lock(&g->mu);
    atomic_store(&g->closed, 1);
    group_all_removed_locked(g);
    pthread_mutex_unlock(&g->mu);
    end_until(g, UINT64_MAX, &closed);
}
