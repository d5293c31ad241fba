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
 * so that the getters that have begun can end. */
#include "base/clock.h"
#include "base/list.h"
#include "cache/after.h"
#include "cache/group_in.h"

static struct list *queue_of(struct group *g)
{
    return &g->queues[!list_empty(&g->queues[1])];
}

/* A flight that runs may wait next, so it counts for both bounds. */
static int has_place(const struct group *g)
{
    return !g->closed && g->running < g->opts.max_loads &&
           g->running + g->waiting < g->opts.max_waiting;
}

/* A late flight ends the walk: group_tick() is about to end it, and calls this again. */
void group_places_start_locked(struct group *g, struct after *a)
{
    struct list *queue;

    while (has_place(g) && !list_empty(queue = queue_of(g))) {
        struct flight *f = list_entry(queue->next, struct flight, queued);

        if (f->deadline_ms <= clock_ms())
            break;
        list_del(&f->queued);
        f->state = FLIGHT_RUNNING;
        g->running++;
        list_push_back(&a->start, &f->queued);
    }
}

void group_places_enqueue_locked(struct group *g, struct flight *f, struct after *a)
{
    f->state = FLIGHT_QUEUED;
    list_push_back(&g->queues[f->nested], &f->queued);
    group_places_start_locked(g, a);
}

static void count(struct group *g, enum flight_state state, uint64_t by)
{
    if (state == FLIGHT_RUNNING)
        g->running += by;
    else if (state == FLIGHT_WAITING)
        g->waiting += by;
}

int group_places_leave_locked(struct flight *f)
{
    if (f->kind != FLIGHT_LOCAL)
        return 0;
    if (f->state == FLIGHT_QUEUED) {
        list_del(&f->queued);
        return 1;
    }
    count(f->group, f->state, (uint64_t)-1);
    return 0;
}

void group_places_move(struct flight *f, enum flight_state to)
{
    struct group *g = f->group;
    struct after a;

    after_init(&a);
    pthread_mutex_lock(&g->mu);
    if (f->state != FLIGHT_ENDED) {
        count(g, f->state, (uint64_t)-1);
        count(g, to, 1);
        f->state = to;
        group_places_start_locked(g, &a);
    }
    pthread_mutex_unlock(&g->mu);
    after_run(g, &a);
}
