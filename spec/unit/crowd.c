/* SPDX-License-Identifier: MIT */
/* crowd.c - a group under many threads, for group_threads_spec.lua.
 *
 * Getters get random keys and look at what they are given; two loader threads end loads with the
 * right value, an error or a fallback; a ticker ends late ones. Everything that must not be is
 * counted. Not here: what is right in detail, which the other specs check on one thread. */
#include <poll.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/inbox.h"
#include "base/mem.h"
#include "base/thread.h"
#include "cache/group.h"
#include "cache/reader.h"

enum { KEYS = 200, MAX_GETTERS = 64 };

struct crowd_result {
    uint64_t values, errors, wrong_values, wrong_errors;
};

struct crowd {
    struct group *group;
    char keys[KEYS][32];
    struct inbox *inbox[FLIGHT_KINDS];
    unsigned rounds;
    atomic_int getters, stop, drained;
    _Atomic uint64_t values, errors, wrong_values, wrong_errors;
};

struct getter {
    struct crowd *crowd;
    uint64_t random;
};

static unsigned next_random(uint64_t *r)
{
    *r = *r * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(*r >> 33);
}

/* "<key>=<key><key>...", long enough to make evictions common. */
static size_t value_for(char *out, const char *key, size_t key_len)
{
    size_t n = 0;
    int i;

    for (i = 0; i < 20; i++, n += key_len)
        memcpy(out + n, key, key_len);
    return n;
}

/* --- loaders --- */

static void finish_value(struct flight *f)
{
    struct result r = {.source = f->kind == FLIGHT_LOCAL ? SOURCE_LOCAL : SOURCE_PEER};
    struct key_ref k = flight_key(f);
    char value[1024];
    size_t n = value_for(value, f->key, f->key_len);

    r.item = item_new(&k, value, n, clock_ms() + 3);
    if (!r.item) {
        group_finish_error(f, ERR_NOMEM, "no memory");
        return;
    }
    struct item *it = r.item;
    group_finish(f, &r);
    item_unref(it);
}

static void run_load(struct msg *m)
{
    static _Atomic uint64_t seed = 1;
    uint64_t random = atomic_fetch_add(&seed, 0x9e3779b97f4a7c15u);
    struct flight *f = list_entry(m, struct flight, msg);
    unsigned what;

    next_random(&random);
    what = next_random(&random) % 10;
    if (f->kind == FLIGHT_REMOTE && what < 3)
        group_fallback(f, 1);
    else if (what < 5)
        group_finish_error(f, ERR_GETTER, "no luck with %.*s", (int)f->key_len, f->key);
    else
        finish_value(f);
}

static void post(struct crowd *c, struct flight *f)
{
    f->msg.run = run_load;
    if (!inbox_post(c->inbox[f->kind], &f->msg))
        group_finish_error(f, ERR_CLOSED, "the loader is gone");
}

static struct peer *owner(void *ctx, const void *key, size_t key_len)
{
    (void)key_len;
    return ((const char *)key)[0] % 2 ? ctx : NULL;
}

static void disown(void *ctx, struct peer *peer)
{
    (void)ctx, (void)peer;
}

static void remote(void *ctx, struct flight *f, struct peer *peer)
{
    (void)peer;
    post(ctx, f);
}

static void local(void *ctx, struct flight *f)
{
    post(ctx, f);
}

static void *loader_main(void *arg)
{
    struct inbox *in = ((void **)arg)[0];
    struct crowd *c = ((void **)arg)[1];

    while (!atomic_load(&c->stop)) {
        struct pollfd p = {.fd = inbox_fd(in), .events = POLLIN};

        poll(&p, 1, 1);
        inbox_drain(in);
    }
    inbox_close(in);
    inbox_drain(in);
    atomic_fetch_add(&c->drained, 1);
    return NULL;
}

static void *ticker_main(void *arg)
{
    struct crowd *c = arg;

    while (!atomic_load(&c->stop)) {
        group_tick(c->group, clock_ms());
        sched_yield();
    }
    return NULL;
}

/* --- getters --- */

static int may_be(enum err code)
{
    return code == ERR_GETTER || code == ERR_TIMEOUT || code == ERR_CLOSED || code == ERR_BUSY;
}

static void look_at(struct crowd *c, enum err code, struct result *r, const char *key, size_t n)
{
    char want[1024];
    size_t want_len = value_for(want, key, n);

    if (!r->item) {
        atomic_fetch_add(may_be(code) ? &c->errors : &c->wrong_errors, 1);
        return;
    }
    if (code != ERR_OK || r->item->value_len != want_len ||
        memcmp(item_value(r->item), want, want_len) != 0)
        atomic_fetch_add(&c->wrong_values, 1);
    else
        atomic_fetch_add(&c->values, 1);
    item_unref(r->item);
}

/* Half of the getters go through a reader, as programs and other getters do. */
static enum err get(struct crowd *c, struct reader *reader, const char *key, size_t n, unsigned ms,
                    struct result *r)
{
    struct key_ref k = group_key(key, n);
    struct recalled found;

    if (!reader)
        return group_get(c->group, &k, ms, r);
    if (reader_recall(reader, key, n, &found) == HIT_NONE)
        return group_wait(c->group, &k, ms, r);
    r->item = item_ref(found.item);
    return ERR_OK;
}

static void *getter_main(void *arg)
{
    struct getter *me = arg;
    struct crowd *c = me->crowd;
    struct reader *reader = me->random % 2 ? reader_new(c->group, 0) : NULL;
    unsigned i;

    for (i = 0; i < c->rounds; i++) {
        unsigned k = next_random(&me->random) % KEYS;
        size_t n = strlen(c->keys[k]);
        struct result r;
        enum err code = get(c, reader, c->keys[k], n, next_random(&me->random) % 3, &r);

        look_at(c, code, &r, c->keys[k], n);
    }
    reader_free(reader);
    atomic_fetch_sub(&c->getters, 1);
    return NULL;
}

/* Runs `getters` threads of `rounds` gets each, and closes the group half-way if told to.
 * The caller looks at the group and gives it back with group_unref(). */
struct group *crowd_run(unsigned getters, unsigned rounds, int close_early,
                        struct crowd_result *out)
{
    struct crowd c = {.rounds = rounds};
    struct loader loader = {.ctx = &c, .owner = owner, .disown = disown, .remote = remote, .local = local};
    struct getter who[MAX_GETTERS];
    pthread_t threads[MAX_GETTERS], loaders[FLIGHT_KINDS], ticker;
    void *args[FLIGHT_KINDS][2];
    struct group_opts opts;
    struct stats stats;
    unsigned i;

    for (i = 0; i < KEYS; i++)
        sprintf(c.keys[i], "%c-key-%u", 'a' + (int)(i % 2), i);
    group_opts_init(&opts);
    opts.cache_bytes = 20000;
    opts.timeout_ms = 2;
    opts.max_loads = 3;
    opts.hot = HOT_ALWAYS;
    c.group = group_new("crowd", "text/plain", &opts, &loader);
    atomic_init(&c.getters, (int)getters);
    for (i = 0; i < FLIGHT_KINDS; i++) {
        c.inbox[i] = inbox_new(NULL);
        args[i][0] = c.inbox[i];
        args[i][1] = &c;
        thread_start(&loaders[i], "loader", 0, loader_main, args[i], NULL);
    }
    thread_start(&ticker, "ticker", 0, ticker_main, &c, NULL);
    for (i = 0; i < getters; i++) {
        who[i].crowd = &c;
        who[i].random = i + 1;
        thread_start(&threads[i], "getter", 0, getter_main, &who[i], NULL);
    }
    if (close_early) {
        do {
            group_stats(c.group, &stats);
            sched_yield();
        } while (stats.gets < (uint64_t)getters * rounds / 2);
        group_close(c.group);
    }
    for (i = 0; i < getters; i++)
        pthread_join(threads[i], NULL);
    group_close(c.group);
    atomic_store(&c.stop, 1);
    pthread_join(ticker, NULL);
    for (i = 0; i < FLIGHT_KINDS; i++)
        pthread_join(loaders[i], NULL);
    for (i = 0; i < FLIGHT_KINDS; i++)
        inbox_free(c.inbox[i]);
    out->values = c.values;
    out->errors = c.errors;
    out->wrong_values = c.wrong_values;
    out->wrong_errors = c.wrong_errors;
    return c.group;
}

/* --- what a set or a removal leaves behind for readers --- */

enum { VERSIONED_KEYS = 8 };

struct versions {
    struct group *group;
    char keys[VERSIONED_KEYS][8];
    _Atomic unsigned least[VERSIONED_KEYS]; /* a get that begins now gives no older one */
    atomic_int stop;
    _Atomic uint64_t hits, old;
};

static void *version_reader(void *arg)
{
    struct versions *v = arg;
    struct reader *reader = reader_new(v->group, 1);
    unsigned i;

    for (i = 0; !atomic_load(&v->stop); i++) {
        unsigned k = i / 5 % VERSIONED_KEYS, least = atomic_load(&v->least[k]), got;
        struct recalled found;

        if (reader_recall(reader, v->keys[k], strlen(v->keys[k]), &found) == HIT_NONE)
            continue;
        memcpy(&got, item_value(found.item), sizeof(got));
        atomic_fetch_add(&v->hits, 1);
        atomic_fetch_add(&v->old, got < least);
    }
    reader_free(reader);
    return NULL;
}

static void change(struct versions *v, unsigned i, unsigned version)
{
    struct key_ref k = group_key(v->keys[i], strlen(v->keys[i]));
    struct error e;

    if (version % 11 == 0)
        group_remove(v->group, &k);
    else if (version % 101 == 0)
        group_flush(v->group);
    else
        group_set(v->group, &k, &version, sizeof(version), NULL, &e);
    atomic_store(&v->least[i], version);
}

/* Changes keys until two readers had so many hits. Returns how many were of values that had been
 * replaced or removed before the get began. */
uint64_t versions_run(uint64_t hits)
{
    struct versions v = {.stop = 0};
    struct loader loader = {.owner = owner};
    struct group_opts opts;
    pthread_t threads[2];
    unsigned i, version;

    group_opts_init(&opts);
    v.group = group_new("versions", "text/plain", &opts, &loader);
    for (i = 0; i < VERSIONED_KEYS; i++)
        sprintf(v.keys[i], "key-%u", i);
    for (i = 0; i < 2; i++)
        thread_start(&threads[i], "reader", 0, version_reader, &v, NULL);
    for (version = 1; atomic_load(&v.hits) < hits; version++)
        change(&v, version % VERSIONED_KEYS, version);
    atomic_store(&v.stop, 1);
    for (i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    group_unref(v.group);
    return atomic_load(&v.old);
}

/* --- a queue as long as it gets, behind a loader that refuses --- */

struct queue {
    struct flight *held;
    unsigned refused, woken;
};

struct queue_waiter {
    struct waiter waiter;
    struct queue *queue;
};

static void hold_the_first(void *ctx, struct flight *f)
{
    struct queue *q = ctx;

    if (!q->held) {
        q->held = f;
        return;
    }
    q->refused++;
    group_finish_error(f, ERR_CLOSED, "no getter left");
}

static void count_wake(struct waiter *w, const struct result *r)
{
    (void)r;
    list_entry(w, struct queue_waiter, waiter)->queue->woken++;
}

/* Opens the most flights that a group takes and ends the first. Returns how many were woken. */
unsigned queue_run(unsigned *refused)
{
    struct queue q = {.held = NULL};
    struct loader loader = {.ctx = &q, .owner = owner, .disown = disown, .remote = remote, .local = hold_the_first};
    struct queue_waiter *waiters = mem_zalloc(GROUP_MAX_FLIGHTS * sizeof(*waiters));
    struct group_opts opts;
    struct result now;
    struct group *g;
    struct key_ref k;
    int i;

    group_opts_init(&opts);
    opts.max_loads = 1;
    opts.local_only = 1;
    opts.timeout_ms = UINT64_C(1000000000000); /* else a slow machine's last ones are hopeless */
    g = group_new("queue", "text/plain", &opts, &loader);
    for (i = 0; i < GROUP_MAX_FLIGHTS; i++) {
        waiters[i].waiter.wake = count_wake;
        waiters[i].queue = &q;
        k = group_key(&i, sizeof(i));
        group_load(g, &k, 0, &waiters[i].waiter, &now);
    }
    group_finish_error(q.held, ERR_GETTER, "the first");
    group_close(g);
    group_unref(g);
    mem_free(waiters);
    *refused = q.refused;
    return q.woken;
}
