/* SPDX-License-Identifier: MIT */
#include "script/backlog.h"

#include <pthread.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "cache/group.h"
#include "script/calls.h"

/* Half of the time that a getter may compute at a stretch by default: a queue that is older has
 * stood behind such a getter, or grows. */
enum { PATIENCE_MS = 50 };

struct backlog {
    pthread_mutex_t mu;
    struct list loads;    /* flight.queued, oldest first; guarded by mu, like the rest */
    struct list held;     /* flight.queued: first loads of calls that may not begin yet */
    size_t n;             /* length of loads: companions are not in it */
    size_t n_others;      /* loads that are held, and companions */
    size_t woken;         /* workers that were woken, each for a load, and have not taken it yet */
    struct list sleepers; /* taker.link: admitted workers that sleep */
    int closed;
    void (*alarm)(void *ctx, uint64_t at_ms); /* set once, like alarm_ctx; or NULL */
    void *alarm_ctx;
    uint64_t alarm_ms; /* the time that alarm() was told last; 0: none, or that time has come */
};

struct backlog *backlog_new(void)
{
    struct backlog *b = mem_zalloc(sizeof(*b));

    pthread_mutex_init(&b->mu, NULL);
    list_init(&b->loads);
    list_init(&b->held);
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

static void push_locked(struct backlog *b, struct flight *f)
{
    list_push_back(&b->loads, &f->queued);
    b->n++;
    wake_one_locked(b);
}

static void alarm_locked(struct backlog *b, uint64_t at_ms)
{
    if (!b->alarm || (b->alarm_ms && b->alarm_ms <= at_ms))
        return;
    b->alarm_ms = at_ms;
    b->alarm(b->alarm_ctx, at_ms);
}

/* The call of a first load that is held begins, if it may. */
static void consider_locked(struct backlog *b, struct flight *first, uint64_t now_ms)
{
    uint64_t at_ms = calls_wait_ms(first, now_ms);

    if (at_ms) {
        alarm_locked(b, at_ms);
        return;
    }
    calls_ready(first, now_ms);
    list_del(&first->queued);
    first->held = 0;
    first->handed_ms = now_ms;
    b->n_others--;
    push_locked(b, first);
}

static void gather_locked(struct backlog *b, struct flight *f)
{
    struct flight *first = calls_join(f);

    b->n_others++;
    if (first == f) {
        f->held = 1;
        list_push_back(&b->held, &f->queued);
    }
    if (first->held)
        consider_locked(b, first, f->handed_ms);
}

static void put_locked(struct backlog *b, struct flight *f, uint64_t now_ms)
{
    list_init(&f->companions);
    f->n_companions = 0;
    f->call = NULL;
    f->held = 0;
    f->handed_ms = now_ms;
    if (group_max_keys(f->group) > 1)
        gather_locked(b, f);
    else
        push_locked(b, f);
}

static void look_locked(struct backlog *b, uint64_t now_ms)
{
    struct list *l, *tmp;

    list_each_safe (l, tmp, &b->held) {
        consider_locked(b, list_entry(l, struct flight, queued), now_ms);
    }
}

void backlog_on_alarm(struct backlog *b, void (*alarm)(void *ctx, uint64_t at_ms), void *ctx)
{
    b->alarm = alarm;
    b->alarm_ctx = ctx;
}

void backlog_look(struct backlog *b)
{
    pthread_mutex_lock(&b->mu);
    b->alarm_ms = 0;
    look_locked(b, clock_ms());
    pthread_mutex_unlock(&b->mu);
}

void backlog_ended(struct backlog *b, struct flight *f)
{
    uint64_t now_ms = clock_ms();

    pthread_mutex_lock(&b->mu);
    if (calls_end(f, now_ms))
        look_locked(b, now_ms);
    pthread_mutex_unlock(&b->mu);
}

int backlog_put(struct backlog *b, struct flight *f)
{
    uint64_t now_ms = clock_ms();
    int open;

    pthread_mutex_lock(&b->mu);
    open = !b->closed;
    if (open)
        put_locked(b, f, now_ms);
    pthread_mutex_unlock(&b->mu);
    return open;
}

int backlog_put_all(struct backlog *b, struct list *flights)
{
    uint64_t now_ms = clock_ms();
    struct list *l;
    int open;

    pthread_mutex_lock(&b->mu);
    open = !b->closed;
    while (open && (l = list_pop_front(flights)))
        put_locked(b, list_entry(l, struct flight, queued), now_ms);
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

/* Moves a load of the backlog and its companions to another list. */
static void move_locked(struct backlog *b, struct flight *f, struct list *to)
{
    list_del(&f->queued);
    list_push_back(to, &f->queued);
    b->n--;
    list_splice_back(to, &f->companions);
    b->n_others -= f->n_companions;
}

static int next_locked(struct backlog *b, struct list *flights)
{
    struct flight *oldest, *f;

    if (!b->n)
        return 0;
    oldest = list_entry(b->loads.next, struct flight, queued);
    f = oldest;
    if (b->n > 1 && clock_ms() > oldest->handed_ms + PATIENCE_MS)
        f = list_entry(b->loads.prev, struct flight, queued);
    if (f->call)
        calls_begin(f, clock_ms());
    move_locked(b, f, flights);
    return 1;
}

int backlog_take(struct backlog *b, struct taker *t, struct list *flights)
{
    int taken = 0;

    pthread_mutex_lock(&b->mu);
    awake_locked(t);
    if (arrives_locked(b, t) || (t->admitted && has_spare_locked(b)))
        taken = next_locked(b, flights);
    pthread_mutex_unlock(&b->mu);
    return taken;
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
    n = b->n + b->n_others;
    pthread_mutex_unlock(&b->mu);
    return n;
}

void backlog_close(struct backlog *b)
{
    struct list left, *l;

    list_init(&left);
    pthread_mutex_lock(&b->mu);
    b->closed = 1;
    while (b->n) {
        struct flight *f = list_entry(b->loads.next, struct flight, queued);

        if (f->call)
            calls_drop(f);
        move_locked(b, f, &left);
    }
    while ((l = list_pop_front(&b->held))) {
        struct flight *f = list_entry(l, struct flight, queued);

        calls_drop(f);
        list_push_back(&left, l);
        list_splice_back(&left, &f->companions);
        b->n_others -= 1 + f->n_companions;
    }
    pthread_mutex_unlock(&b->mu);
    while ((l = list_pop_front(&left)))
        group_finish_error(list_entry(l, struct flight, queued), ERR_CLOSED,
                           "the node is stopping");
}
