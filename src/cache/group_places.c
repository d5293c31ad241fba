/* SPDX-License-Identifier: MIT */
/* group_places.c - which local flights of a group may run their getters now.
 *
 * A flight that is given to the loader has one of the max_loads places. It gives the place back
 * when its getter waits. A getter that waits for a source, such as an HTTP exchange, has one of the
 * max_waiting places instead. A getter that waits for other loads has no place: if it had one,
 * getters that wait for loads could hold all the places that these loads need. A getter that goes
 * on takes its place among max_loads without waiting for it, since it holds memory already.
 *
 * Flights without a place are queued. Those that other getters of this node ask for start first,
 * so that the getters that have begun can end. If by the time that loads take now a further flight
 * would not end in time, it is refused at once. */
#include "base/clock.h"
#include "base/list.h"
#include "cache/after.h"
#include "cache/group_in.h"

enum {
    MEAN_OF = 16, /* loads */
    UNUSUAL = 4,  /* a load that runs for so many times the mean, and so much longer, may hang */
    UNUSUAL_MS = 100
};

static struct list *queue_of(struct group *g)
{
    return &g->queues[!list_empty(&g->queues[1])];
}

/* Loads of a getter that takes several keys wait for their call at the loader, which bounds the
 * calls by max_loads. */
static int gathers(const struct group *g)
{
    return g->opts.max_keys > 1;
}

static int is_full(const struct group *g)
{
    return g->running >= g->opts.max_loads && !gathers(g);
}

/* A flight that runs may wait next, so it counts for both bounds. */
static int has_place(const struct group *g)
{
    return !g->closed && !is_full(g) && g->running + g->waiting < g->opts.max_waiting;
}

/* The last sixteen loads or so count. */
static void mean_add(uint64_t *mean_16, uint64_t ms)
{
    uint64_t ms_16 = ms * MEAN_OF;

    *mean_16 = *mean_16 ? *mean_16 + ms_16 / MEAN_OF - *mean_16 / MEAN_OF : ms_16;
}

static void enter(struct group *g, struct flight *f, enum flight_state state, uint64_t now_ms)
{
    f->state = state;
    if (state == FLIGHT_RUNNING) {
        g->running++;
        f->since_ms = now_ms;
    } else if (state == FLIGHT_WAITING) {
        g->waiting++;
    }
}

static void leave(struct group *g, struct flight *f, uint64_t now_ms)
{
    if (f->state == FLIGHT_RUNNING) {
        g->running--;
        f->held_ms += now_ms - f->since_ms;
    } else if (f->state == FLIGHT_WAITING) {
        g->waiting--;
    }
}

/* A late flight ends the walk, and so does one that the breaker stops: both are about to be ended,
 * and then this is called again. Without a token group_tick() calls it again. */
void group_places_start_locked(struct group *g, struct after *a)
{
    struct list *queue;

    while (has_place(g) && !list_empty(queue = queue_of(g))) {
        struct flight *f = list_entry(queue->next, struct flight, queued);
        uint64_t now_ms = clock_ms();

        if (f->deadline_ms <= now_ms || group_calm_is_stopped_locked(g, f) ||
            !group_calm_takes_token_locked(g, now_ms))
            break;
        list_del(&f->queued);
        g->in_queues--;
        enter(g, f, gathers(g) ? FLIGHT_WAITING : FLIGHT_RUNNING, now_ms);
        f->started_ms = now_ms;
        list_push_back(&a->start, &f->queued);
    }
}

void group_places_tick(struct group *g)
{
    struct after a;

    after_init(&a);
    pthread_mutex_lock(&g->mu);
    group_places_start_locked(g, &a);
    pthread_mutex_unlock(&g->mu);
    after_run(g, &a);
}

void group_places_enqueue_locked(struct group *g, struct flight *f, struct after *a)
{
    f->state = FLIGHT_QUEUED;
    list_push_back(&g->queues[f->nested], &f->queued);
    g->in_queues++;
    group_places_start_locked(g, a);
}

int group_places_leave_locked(struct flight *f)
{
    struct group *g = f->group;
    uint64_t now_ms;

    if (f->kind != FLIGHT_LOCAL)
        return 0;
    if (f->state == FLIGHT_QUEUED) {
        list_del(&f->queued);
        g->in_queues--;
        return 1;
    }
    now_ms = clock_ms();
    leave(g, f, now_ms);
    mean_add(&g->mean_held_16, f->held_ms);
    mean_add(&g->mean_took_16, now_ms - f->started_ms);
    group_ahead_note_locked(g);
    return 0;
}

void group_places_move(struct flight *f, enum flight_state to)
{
    struct group *g = f->group;
    uint64_t now_ms = clock_ms();
    struct after a;

    after_init(&a);
    pthread_mutex_lock(&g->mu);
    if (f->state != FLIGHT_ENDED) {
        leave(g, f, now_ms);
        enter(g, f, to, now_ms);
        group_places_start_locked(g, &a);
    }
    pthread_mutex_unlock(&g->mu);
    after_run(g, &a);
}

/* How long a flight is expected to have its place: the mean, or as long as the oldest runs already
 * if that is unusual. */
static uint64_t each_ms(const struct flight *oldest, uint64_t mean_ms, uint64_t now_ms)
{
    uint64_t ms = now_ms - oldest->started_ms;

    return ms > UNUSUAL_MS + UNUSUAL * mean_ms ? ms : mean_ms;
}

/* The wait for a place is what the loads before it take, but each turn ends by a deadline. It may
 * take three quarters of the time that its own load leaves: the mean does not tell all. */
int group_places_is_hopeless_locked(const struct group *g, struct result *now)
{
    const struct flight *oldest = flights_oldest(g->flights[FLIGHT_LOCAL]);
    int full = is_full(g); /* else max_waiting is the bound */
    uint64_t places = full ? g->opts.max_loads : g->opts.max_waiting;
    uint64_t took_ms = g->mean_took_16 / MEAN_OF, now_ms, one_ms, wait_ms, most_ms;
    uint64_t left_ms = g->opts.timeout_ms > took_ms ? g->opts.timeout_ms - took_ms : 0;

    if (has_place(g) || !oldest || oldest->state == FLIGHT_QUEUED)
        return 0;
    now_ms = clock_ms();
    if (oldest->deadline_ms <= now_ms) /* group_tick() is about to end it, and others */
        return 0;
    one_ms = full ? g->mean_held_16 / MEAN_OF : took_ms;
    if (!full || oldest->state == FLIGHT_RUNNING)
        one_ms = each_ms(oldest, one_ms, now_ms);
    wait_ms = (g->in_queues + 1) * one_ms / places;
    most_ms = g->in_queues / places * g->opts.timeout_ms + (oldest->deadline_ms - now_ms);
    if ((wait_ms < most_ms ? wait_ms : most_ms) <= left_ms / 4 * 3)
        return 0;
    error_set(&now->err, ERR_BUSY,
              "group %s: %llu loads wait before this one, %llu run at once, and one takes %.3g s: "
              "no value within %.3g s",
              g->name, (unsigned long long)g->in_queues, (unsigned long long)places,
              (double)one_ms / 1000, (double)g->opts.timeout_ms / 1000);
    return 1;
}
