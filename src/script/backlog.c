/* SPDX-License-Identifier: MIT */
#include "script/backlog.h"

#include <pthread.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "cache/group.h"

/* Half of the time that a getter may compute at a stretch by default: a queue that is older has
 * stood behind such a getter, or grows. */
enum { PATIENCE_MS = 50 };

struct backlog {
    pthread_mutex_t mu;
    struct list loads; /* flight.queued, oldest first; guarded by mu, like the rest */
    size_t n;
    size_t woken;         /* workers that were woken, each for a load, and have not taken it yet */
    struct list sleepers; /* taker.link: admitted workers that sleep */
    int closed;
};

struct backlog *backlog_new(void)
{
    struct backlog *b = mem_zalloc(sizeof(*b));

    pthread_mutex_init(&b->mu, NULL);
    list_init(&b->loads);
    list_init(&b->sleepers);
    return b;
}

void backlog_free(struct backlog *b)
{
    if (!b)
        return;
    pthread_mutex_destroy(&b->mu);
    mem_free(b);
}

/* Whoever has the fewest loads: those that wait in a VM come back to it. */
static struct taker *choose_locked(const struct backlog *b)
{
    struct taker *best = NULL;
    struct list *l;

    list_each (l, &b->sleepers) {
        struct taker *t = list_entry(l, struct taker, link);

        if (!best || atomic_load_explicit(&t->begun, memory_order_relaxed) <
                         atomic_load_explicit(&best->begun, memory_order_relaxed))
            best = t;
    }
    return best;
}

static void awake_locked(struct taker *t)
{
    if (t->sleeps && t->admitted)
        list_del(&t->link);
    t->sleeps = 0;
}

static void wake_one_locked(struct backlog *b)
{
    struct taker *t = choose_locked(b);

    if (!t)
        return;
    awake_locked(t);
    t->woken = 1;
    b->woken++;
    t->wake(t);
}

/* Whether there is a load for which no worker was woken. */
static int has_spare_locked(const struct backlog *b)
{
    return b->n > b->woken;
}

/* Returns whether the worker had been woken. */
static int arrives_locked(struct backlog *b, struct taker *t)
{
    int woken = t->woken;

    if (woken)
        b->woken--;
    t->woken = 0;
    return woken;
}

int backlog_put(struct backlog *b, struct flight *f)
{
    int open;

    f->handed_ms = clock_ms();
    pthread_mutex_lock(&b->mu);
    open = !b->closed;
    if (open) {
        list_push_back(&b->loads, &f->queued);
        b->n++;
        wake_one_locked(b);
    }
    pthread_mutex_unlock(&b->mu);
    return open;
}

void backlog_admit(struct backlog *b, struct taker *t)
{
    pthread_mutex_lock(&b->mu);
    t->admitted = 1;
    if (t->sleeps)
        list_push_back(&b->sleepers, &t->link);
    if (has_spare_locked(b))
        wake_one_locked(b);
    pthread_mutex_unlock(&b->mu);
}

/* The worker may have been woken, for a load that another one takes now. */
void backlog_dismiss(struct backlog *b, struct taker *t)
{
    pthread_mutex_lock(&b->mu);
    if (t->sleeps && t->admitted)
        list_del(&t->link);
    t->admitted = 0;
    arrives_locked(b, t);
    if (has_spare_locked(b))
        wake_one_locked(b);
    pthread_mutex_unlock(&b->mu);
}

static struct flight *next_locked(struct backlog *b)
{
    struct flight *oldest, *f;

    if (!b->n)
        return NULL;
    oldest = list_entry(b->loads.next, struct flight, queued);
    f = oldest;
    if (b->n > 1 && clock_ms() > oldest->handed_ms + PATIENCE_MS)
        f = list_entry(b->loads.prev, struct flight, queued);
    list_del(&f->queued);
    b->n--;
    return f;
}

struct flight *backlog_take(struct backlog *b, struct taker *t)
{
    struct flight *f = NULL;

    pthread_mutex_lock(&b->mu);
    awake_locked(t);
    if (arrives_locked(b, t) || (t->admitted && has_spare_locked(b)))
        f = next_locked(b);
    pthread_mutex_unlock(&b->mu);
    return f;
}

int backlog_rest(struct backlog *b, struct taker *t)
{
    int rests;

    pthread_mutex_lock(&b->mu);
    rests = !(t->admitted && has_spare_locked(b));
    if (rests && !t->sleeps) {
        t->sleeps = 1;
        if (t->admitted)
            list_push_back(&b->sleepers, &t->link);
    }
    pthread_mutex_unlock(&b->mu);
    return rests;
}

size_t backlog_count(struct backlog *b)
{
    size_t n;

    pthread_mutex_lock(&b->mu);
    n = b->n;
    pthread_mutex_unlock(&b->mu);
    return n;
}

void backlog_close(struct backlog *b)
{
    struct list left, *l;

    list_init(&left);
    pthread_mutex_lock(&b->mu);
    b->closed = 1;
    b->n = 0;
    list_splice_back(&left, &b->loads);
    pthread_mutex_unlock(&b->mu);
    while ((l = list_pop_front(&left)))
        group_finish_error(list_entry(l, struct flight, queued), ERR_CLOSED,
                           "the node is stopping");
}
