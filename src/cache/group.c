/* SPDX-License-Identifier: MIT */
/* group.c - lookup, load, end of a load.
 *
 * A miss on a key that another node owns opens a remote flight; any other miss a local one. When
 * the owner cannot be used, its flight does not run the getter itself: it becomes one more waiter
 * of the key's local flight. So the getter runs once per key and node even when a peer's request,
 * which joins local flights only, comes in between.
 *
 * A flight is queued while max_loads getters run, and started by the one that ends. Every flight
 * ends by its deadline, whatever its loader does: group_tick() sees to that. A loader that comes
 * later finds the flight ended and only gives back its reference. */
#include "cache/group.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"

enum {
    HOT_SHARE = 8,      /* Go: hot gives way first while it holds over an eighth of main */
    ADMIT_SHARE = 8,    /* an item over an eighth of the cache is not stored */
    SAMPLE_ONE_IN = 10, /* Go: rand.Intn(10) == 0 */
};

/* A text of the group's, and those it had before: a reader may still hold one, so all of them live
 * as long as the group, each once. */
struct text {
    struct text *older;
    char bytes[];
};

struct group {
    char *name; /* set once */
    _Atomic(struct text *) content_type,
        pass_headers;      /* atomic; one thread, the node's, changes them */
    struct text *texts;    /* that thread's: all of them, newest first */
    atomic_int local_only; /* atomic: opts.local_only, to be seen without the mutex */
    struct loader loader;  /* set once; not called once closed is 1 */
    atomic_int closed;     /* atomic; set under mu */
    _Atomic unsigned refs; /* atomic */

    pthread_mutex_t mu;
    struct group_opts opts;                /* guarded by mu, like all that follows */
    struct lru *main, *hot;                /* two caches, one bound */
    struct flights *flights[FLIGHT_KINDS]; /* [enum flight_kind] */
    struct list queue;                     /* flight.queued: local flights that wait their turn */
    uint64_t running;                      /* local flights handed to the loader, not yet ended */
    uint64_t waiters;
    uint64_t random;
    struct stats stats;
};

/* What is done once the mutex is dropped: nothing that calls out or frees runs under it. */
struct after {
    struct list woken;      /* waiters */
    struct list start;      /* flight.queued: local flights to start */
    struct item *dropped;   /* by item.chain */
    struct flight *ended;   /* whose table reference is ours to drop */
    int unstarted;          /* and the loader's, which it never got */
    const struct result *r; /* what the woken are told */
};

void group_opts_init(struct group_opts *o)
{
#define X(type, name, def) o->name = (def);
    GROUP_NUMBERS(X)
#undef X
}

uint32_t group_hash(const void *key, size_t key_len)
{
    return (uint32_t)hash_table(key, key_len);
}

static struct text *keep_text(struct group *g, const char *bytes)
{
    struct text *t;
    size_t n = strlen(bytes) + 1;

    for (t = g->texts; t && strcmp(t->bytes, bytes) != 0; t = t->older)
        ;
    if (!t) {
        t = mem_zalloc(sizeof(*t) + n);
        memcpy(t->bytes, bytes, n);
        t->older = g->texts;
        g->texts = t;
    }
    return t;
}

struct group *group_new(const char *name, const char *content_type, const struct group_opts *opts,
                        const struct loader *loader)
{
    struct group *g = mem_zalloc(sizeof(*g));

    g->name = mem_strdup(name);
    atomic_init(&g->content_type, keep_text(g, content_type));
    atomic_init(&g->pass_headers, keep_text(g, ""));
    g->opts = *opts;
    atomic_init(&g->local_only, opts->local_only != 0);
    g->loader = *loader;
    atomic_init(&g->refs, 1);
    pthread_mutex_init(&g->mu, NULL);
    g->main = lru_new();
    g->hot = lru_new();
    g->flights[FLIGHT_REMOTE] = flights_new();
    g->flights[FLIGHT_LOCAL] = flights_new();
    list_init(&g->queue);
    g->random = hash_table(name, strlen(name)) | 1;
    return g;
}

struct group *group_ref(struct group *g)
{
    atomic_fetch_add_explicit(&g->refs, 1, memory_order_relaxed);
    return g;
}

void group_unref(struct group *g)
{
    struct text *t;

    if (!g || atomic_fetch_sub_explicit(&g->refs, 1, memory_order_acq_rel) != 1)
        return;
    lru_free(g->main);
    lru_free(g->hot);
    flights_free(g->flights[FLIGHT_REMOTE]);
    flights_free(g->flights[FLIGHT_LOCAL]);
    pthread_mutex_destroy(&g->mu);
    mem_free(g->name);
    while ((t = g->texts)) {
        g->texts = t->older;
        mem_free(t);
    }
    mem_free(g);
}

const char *group_name(const struct group *g)
{
    return g->name;
}

void *group_ctx(const struct group *g)
{
    return g->loader.ctx;
}

const char *group_content_type(const struct group *g)
{
    return atomic_load_explicit(&g->content_type, memory_order_acquire)->bytes;
}

const char *group_pass_headers(const struct group *g)
{
    return atomic_load_explicit(&g->pass_headers, memory_order_acquire)->bytes;
}

struct group_opts group_opts(struct group *g)
{
    struct group_opts o;

    pthread_mutex_lock(&g->mu);
    o = g->opts;
    pthread_mutex_unlock(&g->mu);
    return o;
}

static void drop_flight(struct flight *f)
{
    struct group *g = f->group;

    if (flight_unref(f))
        group_unref(g);
}

/* --- under the mutex --- */

static void drop_item_locked(struct after *a, struct item *it)
{
    if (!it)
        return;
    it->chain = a->dropped;
    a->dropped = it;
}

/* The live item of that key in l, borrowed. An expired one is taken out and is a miss. */
static struct item *live_locked(struct lru *l, uint32_t hash, const void *key, size_t key_len,
                                struct item **expired)
{
    struct item *it = lru_get(l, hash, key, key_len);

    if (it && it->expires_ms && it->expires_ms <= clock_ms()) {
        *expired = lru_expire(l, hash, key, key_len);
        return NULL;
    }
    return it;
}

/* Main, then hot; an item comes with a reference. At most one expired item of each is dropped. */
static struct item *find_locked(struct group *g, uint32_t hash, const void *key, size_t key_len,
                                enum source *source, struct item *expired[2])
{
    struct item *it = live_locked(g->main, hash, key, key_len, &expired[0]);

    *source = SOURCE_MAIN;
    if (!it) {
        it = live_locked(g->hot, hash, key, key_len, &expired[1]);
        *source = SOURCE_HOT;
    }
    return it ? item_ref(it) : NULL;
}

/* Go's rule: hot gives way first while it holds over an eighth of what main does. */
static void evict_locked(struct group *g, struct after *a)
{
    uint64_t bound = g->opts.cache_bytes;

    while (lru_bytes(g->main) + lru_bytes(g->hot) > bound) {
        struct lru *victim = lru_bytes(g->hot) > lru_bytes(g->main) / HOT_SHARE ? g->hot : g->main;
        struct item *oldest = lru_pop_oldest(victim);

        if (!oldest)
            oldest = lru_pop_oldest(victim == g->hot ? g->main : g->hot);
        if (!oldest)
            break;
        drop_item_locked(a, oldest);
    }
}

static void insert_locked(struct group *g, struct lru *l, struct item *it, struct after *a)
{
    if (item_cost(it) > g->opts.cache_bytes / ADMIT_SHARE)
        return;
    drop_item_locked(a, lru_put(l, item_ref(it)));
    evict_locked(g, a);
}

static int sample_locked(struct group *g)
{
    g->random ^= g->random << 13; /* Marsaglia's xorshift64 */
    g->random ^= g->random >> 7;
    g->random ^= g->random << 17;
    return g->random % SAMPLE_ONE_IN == 0;
}

static void store_locked(struct group *g, const struct result *r, struct after *a)
{
    if (r->item->expires_ms && r->item->expires_ms <= clock_ms())
        return; /* told to those who wait, kept for nobody */
    if (r->source == SOURCE_LOCAL) {
        insert_locked(g, g->main, r->item, a);
    } else if (g->opts.hot == HOT_ALWAYS || (g->opts.hot == HOT_SAMPLE && sample_locked(g))) {
        insert_locked(g, g->hot, r->item, a);
    }
}

/* Moves the flights that may start now from the queue to a->start. A late one stops it: it has
 * nothing left to wait for, group_tick() is about to end it and to come back here. */
static void start_queued_locked(struct group *g, struct after *a)
{
    while (!g->closed && g->running < g->opts.max_loads && !list_empty(&g->queue)) {
        struct flight *f = list_entry(g->queue.next, struct flight, queued);

        if (f->deadline_ms <= clock_ms())
            break;
        list_del(&f->queued);
        f->state = FLIGHT_RUNNING;
        g->running++;
        list_push_back(&a->start, &f->queued);
    }
}

static void end_locked(struct flight *f, struct after *a)
{
    struct group *g = f->group;
    enum flight_state was = f->state;

    g->waiters -= f->n_waiters;
    if (f->kind == FLIGHT_LOCAL && was == FLIGHT_RUNNING)
        g->running--;
    if (was == FLIGHT_QUEUED) {
        list_del(&f->queued);
        a->unstarted = 1;
    }
    flights_end(g->flights[f->kind], f, &a->woken);
    a->ended = f;
    start_queued_locked(g, a);
}

/* --- after the mutex --- */

static void after_init(struct after *a, const struct result *r)
{
    memset(a, 0, sizeof(*a));
    list_init(&a->woken);
    list_init(&a->start);
    a->r = r;
}

/* Hands flights to the local loader. A loader that ends one at once brings us back here for the
 * next; that call leaves its flights to this one, or a long queue would fill the stack. */
static void start_flights(struct group *g, struct list *start)
{
    static _Thread_local struct {
        const struct group *group;
        struct list *start;
    } under_way;
    struct list *l, *outer_start = under_way.start;
    const struct group *outer = under_way.group;

    if (outer == g) {
        list_splice_back(outer_start, start);
        return;
    }
    under_way.group = g;
    under_way.start = start;
    while ((l = list_pop_front(start)))
        g->loader.local(g->loader.ctx, list_entry(l, struct flight, queued));
    under_way.group = outer;
    under_way.start = outer_start;
}

static void after_run(struct group *g, struct after *a)
{
    struct list *l;

    while (a->dropped) {
        struct item *it = a->dropped;

        a->dropped = it->chain;
        item_unref(it);
    }
    while ((l = list_pop_front(&a->woken))) {
        struct waiter *w = list_entry(l, struct waiter, link);

        w->wake(w, a->r);
    }
    if (!list_empty(&a->start))
        start_flights(g, &a->start);
    if (a->unstarted)
        drop_flight(a->ended);
    if (a->ended)
        drop_flight(a->ended);
}

/* --- the public face --- */

void group_configure(struct group *g, const char *content_type, const char *pass_headers,
                     const struct group_opts *opts)
{
    struct after a;

    atomic_store(&g->content_type, keep_text(g, content_type));
    atomic_store(&g->pass_headers, keep_text(g, pass_headers));
    atomic_store(&g->local_only, opts->local_only != 0);
    after_init(&a, NULL);
    pthread_mutex_lock(&g->mu);
    g->opts = *opts;
    evict_locked(g, &a);
    start_queued_locked(g, &a); /* max_loads may have grown */
    pthread_mutex_unlock(&g->mu);
    after_run(g, &a);
}

struct item *group_lookup(struct group *g, uint32_t hash, const void *key, size_t key_len,
                          int from_peer, enum source *source)
{
    struct item *expired[2] = {NULL, NULL}, *it;

    pthread_mutex_lock(&g->mu);
    g->stats.gets++;
    g->stats.server_requests += from_peer ? 1 : 0;
    it = find_locked(g, hash, key, key_len, source, expired);
    g->stats.cache_hits += it ? 1 : 0;
    pthread_mutex_unlock(&g->mu);
    item_unref(expired[0]);
    item_unref(expired[1]);
    return it;
}

/* Puts `it` (a reference, or NULL) into the slot and returns what was there. */
static struct item *exchange_locked(struct group *g, struct item **slot, struct item *it)
{
    struct item *was = *slot;

    if (was) {
        g->stats.remembered_items--;
        g->stats.remembered_bytes -= item_cost(was);
    }
    if (it) {
        g->stats.remembered_items++;
        g->stats.remembered_bytes += item_cost(it);
    }
    *slot = it;
    return was;
}

enum hit group_recall(struct group *g, const void *key, size_t key_len, struct item **slot,
                      enum source *source)
{
    struct item *expired[2] = {NULL, NULL}, *was = NULL, *it;
    uint32_t hash = group_hash(key, key_len);

    pthread_mutex_lock(&g->mu);
    g->stats.gets++;
    it = find_locked(g, hash, key, key_len, source, expired);
    g->stats.cache_hits += it ? 1 : 0;
    if (it && it == *slot) {
        pthread_mutex_unlock(&g->mu);
        item_unref(it); /* the slot holds one already */
        return HIT_SAME;
    }
    was = exchange_locked(g, slot, it);
    pthread_mutex_unlock(&g->mu);
    item_unref(was);
    item_unref(expired[0]);
    item_unref(expired[1]);
    return it ? HIT_OTHER : HIT_NONE;
}

void group_forget(struct group *g, struct item **slot)
{
    struct item *was;

    pthread_mutex_lock(&g->mu);
    was = exchange_locked(g, slot, NULL);
    pthread_mutex_unlock(&g->mu);
    item_unref(was);
}

static enum err refuse(struct result *now, enum err code, const char *why, struct group *g)
{
    now->item = NULL;
    return error_set(&now->err, code, "group %s: %s", g->name, why);
}

/* Without memory for it the getter just knows less. */
static void keep_info(struct flight *f, const struct waiter *w)
{
    f->info = w->info_len ? mem_alloc(w->info_len) : NULL;
    if (!f->info)
        return;
    memcpy(f->info, w->info, w->info_len);
    f->info_len = w->info_len;
}

/* Joins the key's flight or opens one. *open is the new flight, with a reference for its loader,
 * or NULL. ERR_OK: w waits. */
static enum err join_or_open_locked(struct group *g, enum flight_kind kind, uint32_t hash,
                                    const void *key, size_t key_len, int from_peer,
                                    struct waiter *w, struct flight **open, struct result *now)
{
    struct flights *fs = g->flights[kind];
    struct flight *f = flights_find(fs, hash, key, key_len);

    *open = NULL;
    if (g->closed)
        return refuse(now, ERR_CLOSED,
                      "closed, since the node is stopping or a reload took the group away", g);
    if (f && f->n_waiters >= GROUP_MAX_WAITERS)
        return refuse(now, ERR_BUSY, "too many callers wait for this key", g);
    if (f && w->from && !waits_add(&w->edge, w->from, f))
        return refuse(now, ERR_CYCLE, "the load of this key waits for the one that asks for it", g);
    if (!f) {
        if (flights_count(fs) >= GROUP_MAX_FLIGHTS)
            return refuse(now, ERR_BUSY, "too many loads are under way", g);
        f = flights_open(fs, hash, key, key_len, clock_ms() + g->opts.timeout_ms);
        if (!f)
            return refuse(now, ERR_NOMEM, "no memory for a load", g);
        if (w->from)
            waits_add(&w->edge, w->from, f); /* a new flight waits for nobody yet */
        keep_info(f, w);
        f->group = group_ref(g);
        f->kind = kind;
        f->from_peer = from_peer;
        g->stats.loads_deduped++;
        *open = f;
    }
    flight_join(f, w);
    g->waiters++;
    return ERR_OK;
}

/* Starts a new local flight now, or leaves it in the queue. */
static void enqueue_locked(struct group *g, struct flight *f, struct after *a)
{
    f->state = FLIGHT_QUEUED;
    list_push_back(&g->queue, &f->queued);
    start_queued_locked(g, a);
}

int group_load(struct group *g, uint32_t hash, const void *key, size_t key_len, int from_peer,
               struct waiter *w, struct result *now)
{
    struct item *expired[2] = {NULL, NULL};
    struct result end = {.item = NULL}; /* not *now: once w waits, that is the waker's to write */
    struct peer *owner = NULL;
    struct flight *open = NULL;
    enum flight_kind kind;
    struct after a;
    enum err err = ERR_OK;

    if (!from_peer && !atomic_load_explicit(&g->local_only, memory_order_relaxed) &&
        !atomic_load(&g->closed))
        owner = g->loader.owner(g->loader.ctx, key, key_len);
    kind = owner ? FLIGHT_REMOTE : FLIGHT_LOCAL;
    after_init(&a, NULL);

    pthread_mutex_lock(&g->mu);
    g->stats.loads++;
    end.item = find_locked(g, hash, key, key_len, &end.source, expired);
    if (end.item) { /* a flight ended between the caller's lookup and now, as in Go's load() */
        g->stats.cache_hits++;
    } else {
        err = join_or_open_locked(g, kind, hash, key, key_len, from_peer, w, &open, &end);
        if (open && kind == FLIGHT_LOCAL)
            enqueue_locked(g, open, &a);
        else if (open)
            open->state = FLIGHT_RUNNING;
    }
    pthread_mutex_unlock(&g->mu);

    item_unref(expired[0]);
    item_unref(expired[1]);
    after_run(g, &a);
    if (open && kind == FLIGHT_REMOTE)
        g->loader.remote(g->loader.ctx, open, owner);
    else if (owner)
        g->loader.disown(g->loader.ctx, owner);
    if (!end.item && !err)
        return 0;
    *now = end;
    return 1;
}

int group_cancel(struct group *g, struct waiter *w)
{
    int left;

    pthread_mutex_lock(&g->mu);
    left = flight_leave(w);
    g->waiters -= left ? 1 : 0;
    pthread_mutex_unlock(&g->mu);
    return left;
}

/* Counts how a load ended, by Go's meaning. */
static void count_end_locked(struct group *g, const struct flight *f, const struct result *r)
{
    if (f->kind == FLIGHT_LOCAL && r->item)
        g->stats.local_loads++;
    else if (f->kind == FLIGHT_LOCAL)
        g->stats.local_load_errs++;
    else if (r->item && r->source == SOURCE_PEER)
        g->stats.peer_loads++;
    else if (r->err.code == ERR_TIMEOUT && !f->fell_back)
        g->stats.peer_errors++;
}

void group_finish(struct flight *f, const struct result *r)
{
    struct group *g = f->group;
    struct after a;

    after_init(&a, r);
    pthread_mutex_lock(&g->mu);
    if (f->state != FLIGHT_ENDED) {
        count_end_locked(g, f, r);
        if (r->item && (f->kind == FLIGHT_LOCAL || r->source == SOURCE_PEER))
            store_locked(g, r, &a);
        end_locked(f, &a);
    }
    pthread_mutex_unlock(&g->mu);
    after_run(g, &a);
    drop_flight(f);
}

static uint64_t expiry_ms(double ttl_ms)
{
    static const double longest = 100.0 * 365 * 24 * 3600 * 1000;
    double ms = ttl_ms < longest ? ttl_ms : longest;
    uint64_t whole = (uint64_t)ms;

    if (!(ttl_ms > 0))
        return 1;                                     /* over as soon as it is there */
    return clock_ms() + whole + ((double)whole < ms); /* rounded up: never none at all */
}

enum err group_finish_value(struct flight *f, const void *value, size_t n, const double *ttl_ms,
                            struct error *e)
{
    struct group_opts o = group_opts(f->group);
    struct result r = {.source = SOURCE_LOCAL};
    uint64_t expires_ms = ttl_ms ? expiry_ms(*ttl_ms) : o.ttl_ms ? clock_ms() + o.ttl_ms : 0;

    if (n > o.max_value_bytes) {
        error_set(&r.err, ERR_TOOBIG,
                  "group %s: the getter returned %zu bytes, max_value_bytes "
                  "is %llu",
                  f->group->name, n, (unsigned long long)o.max_value_bytes);
    } else {
        r.item = item_new(f->key, f->key_len, f->hash, value, n, expires_ms);
        if (!r.item)
            error_set(&r.err, ERR_NOMEM, "no memory for a value of %zu bytes", n);
    }
    if (e)
        *e = r.err;
    group_finish(f, &r);
    item_unref(r.item);
    return r.err.code;
}

void group_finish_error(struct flight *f, enum err code, const char *fmt, ...)
{
    struct result r = {.item = NULL};
    va_list ap;

    r.err.code = code;
    va_start(ap, fmt);
    vsnprintf(r.err.msg, sizeof(r.err.msg), fmt, ap);
    va_end(ap);
    group_finish(f, &r);
}

/* The local flight that took over has ended: so does the remote one that waited for it. */
static void fallback_wake(struct waiter *w, const struct result *r)
{
    group_finish(list_entry(w, struct flight, fallback), r);
}

void group_fallback(struct flight *f)
{
    struct group *g = f->group;
    struct flight *open = NULL;
    struct result now = {.item = NULL};
    struct after a;
    enum err err = ERR_OK;
    int ended;

    after_init(&a, NULL);
    f->fallback.wake = fallback_wake;
    f->fallback.from = f;
    f->fallback.info = f->info;
    f->fallback.info_len = f->info_len;
    pthread_mutex_lock(&g->mu);
    ended = f->state == FLIGHT_ENDED; /* with TIMEOUT, which was counted then, or CLOSED */
    if (!ended) {
        g->stats.peer_errors++;
        f->fell_back = 1;
        err = join_or_open_locked(g, FLIGHT_LOCAL, f->hash, f->key, f->key_len, 0, &f->fallback,
                                  &open, &now);
        if (open) {
            g->stats.loads_deduped--; /* one load, in two flights */
            enqueue_locked(g, open, &a);
        }
    }
    pthread_mutex_unlock(&g->mu);
    after_run(g, &a);
    if (ended)
        drop_flight(f);
    else if (err)
        group_finish(f, &now);
}

/* Ends every flight whose deadline is not after until_ms, one critical section each. */
static void end_until(struct group *g, uint64_t until_ms, const struct result *r)
{
    struct flight *f;
    struct after a;
    int kind;

    for (kind = 0; kind < FLIGHT_KINDS; kind++) {
        do {
            after_init(&a, r);
            pthread_mutex_lock(&g->mu);
            f = flights_oldest(g->flights[kind]);
            if (f && f->deadline_ms <= until_ms) {
                count_end_locked(g, f, r);
                end_locked(f, &a);
            } else {
                f = NULL;
            }
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

    if (!is_overdue(g, now_ms))
        return;
    error_set(&late.err, ERR_TIMEOUT, "group %s: no value within %g s", g->name,
              (double)group_opts(g).timeout_ms / 1000);
    end_until(g, now_ms, &late);
}

void group_close(struct group *g)
{
    struct result closed = {.item = NULL};

    refuse(&closed, ERR_CLOSED,
           "closed, since the node is stopping or a reload took the group away", g);
    pthread_mutex_lock(&g->mu);
    atomic_store(&g->closed, 1);
    pthread_mutex_unlock(&g->mu);
    end_until(g, UINT64_MAX, &closed);
}

void group_stats(struct group *g, struct stats *out)
{
    pthread_mutex_lock(&g->mu);
    *out = g->stats;
    out->flights =
        flights_count(g->flights[FLIGHT_REMOTE]) + flights_count(g->flights[FLIGHT_LOCAL]);
    out->waiters = g->waiters;
    lru_stats(g->main, &out->main);
    lru_stats(g->hot, &out->hot);
    pthread_mutex_unlock(&g->mu);
}
