/* SPDX-License-Identifier: MIT */
/* flight.c - the table of open flights.
 *
 * Not here: the mutex (the group's), and how a load starts and when it ends (group_load.c). */
#include "cache/flight.h"

#include <stdatomic.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

enum { BUCKETS = 256 }; /* a group has two tables, and a node perhaps many groups */

struct flights {
    struct flight *buckets[BUCKETS];
    struct list order; /* earliest deadline first */
    size_t n;
    uint64_t generation; /* above 0 */
};

struct flights *flights_new(void)
{
    struct flights *fs = mem_zalloc(sizeof(*fs));

    list_init(&fs->order);
    fs->generation = 1;
    return fs;
}

void flights_free(struct flights *fs)
{
    mem_free(fs);
}

static struct flight **bucket(const struct flights *fs, uint32_t hash)
{
    return (struct flight **)&fs->buckets[hash % BUCKETS];
}

struct flight *flights_find(const struct flights *fs, const struct key_ref *k)
{
    struct flight *f = *bucket(fs, k->hash);

    while (f && !(f->hash == k->hash && f->key_len == k->n && f->generation == fs->generation &&
                  memcmp(f->key, k->bytes, k->n) == 0))
        f = f->chain;
    return f;
}

void flight_begins(struct flight *f)
{
    atomic_store(&f->began_ns, clock_ns());
}

void flight_outdate(struct flight *f)
{
    f->generation = 0;
}

void flights_outdate_all(struct flights *fs)
{
    fs->generation++;
}

int flights_outdated(const struct flights *fs, const struct flight *f)
{
    return f->generation != fs->generation;
}

/* From the end: later deadlines stand there only after a group's timeout was lowered. */
static void put_in_order(struct flights *fs, struct flight *f)
{
    struct list *before = fs->order.prev;

    while (before != &fs->order &&
           list_entry(before, struct flight, link)->deadline_ms > f->deadline_ms)
        before = before->prev;
    list_push_front(before, &f->link);
}

struct flight *flights_open(struct flights *fs, const struct key_ref *k, uint64_t deadline_ms)
{
    struct flight *f = mem_alloc(offsetof(struct flight, key) + k->n);
    struct flight **at = bucket(fs, k->hash);

    if (!f)
        return NULL;
    memset(f, 0, offsetof(struct flight, key));
    list_init(&f->queued);
    list_init(&f->waiters);
    list_init(&f->fallback.link);
    cycle_init(&f->cycle);
    atomic_init(&f->refs, 2);
    f->deadline_ms = deadline_ms;
    f->hash = k->hash;
    f->key_len = (uint32_t)k->n;
    memcpy(f->key, k->bytes, k->n);
    f->generation = fs->generation;
    f->chain = *at;
    *at = f;
    put_in_order(fs, f);
    fs->n++;
    return f;
}

void flight_join(struct flight *f, struct waiter *w)
{
    w->flight = f;
    list_push_back(&f->waiters, &w->link);
    f->n_waiters++;
}

int flight_leave(struct waiter *w)
{
    struct flight *f = w->flight;

    if (!f)
        return 0;
    if (w->from)
        cycle_del(&w->edge);
    list_del(&w->link);
    w->flight = NULL;
    f->n_waiters--;
    return 1;
}

void flights_end(struct flights *fs, struct flight *f, struct list *woken)
{
    struct flight **at = bucket(fs, f->hash);
    struct list *l;

    while (*at != f)
        at = &(*at)->chain;
    *at = f->chain;
    f->chain = NULL;
    list_del(&f->link);
    fs->n--;
    f->state = FLIGHT_ENDED;
    list_each (l, &f->waiters) {
        struct waiter *w = list_entry(l, struct waiter, link);

        w->flight = NULL;
        if (w->from)
            cycle_del(&w->edge);
    }
    f->n_waiters = 0;
    list_splice_back(woken, &f->waiters);
}

struct flight *flights_oldest(const struct flights *fs)
{
    return list_empty(&fs->order) ? NULL : list_entry(fs->order.next, struct flight, link);
}

size_t flights_count(const struct flights *fs)
{
    return fs->n;
}

struct flight *flight_ref(struct flight *f)
{
    atomic_fetch_add_explicit(&f->refs, 1, memory_order_relaxed);
    return f;
}

int flight_unref(struct flight *f)
{
    if (atomic_fetch_sub_explicit(&f->refs, 1, memory_order_acq_rel) != 1)
        return 0;
    if (f->cycle.waited)
        cycle_clear(&f->cycle);
    mem_free(f->info);
    mem_free(f->trace);
    mem_free(f);
    return 1;
}
