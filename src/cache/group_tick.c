/* SPDX-License-Identifier: MIT */
/* group_tick.c - what a group of a node does from time to time, and whether it must do so soon.
 *
 * Each tick looks at a group that is busy: it has flights, items of a flush or a line for the log,
 * a large cache with expiries, or gets to be measured. The others are looked at every two seconds:
 * a sweep for expired items makes up for all the time since the last. */
#include <pthread.h>

#include "cache/group_in.h"
#include "cache/group_seen.h"

enum { LARGE = 2048 }; /* buckets, of which a sweep every two seconds would take too many at once */

void group_tick_watch(struct group *g, struct awake *awake)
{
    pthread_mutex_lock(&g->mu);
    if (g->awake)
        awake_remove(g->awake, &g->awake_link);
    g->awake = awake;
    group_wake_locked(g);
    pthread_mutex_unlock(&g->mu);
}

static int is_large(const struct lru *l)
{
    return lru_buckets(l) > LARGE && lru_mortals(l);
}

static int is_busy_locked(const struct group *g, uint64_t gets_before)
{
    return flights_count(g->flights[FLIGHT_LOCAL]) || flights_count(g->flights[FLIGHT_REMOTE]) ||
           !list_empty(&g->flushed) || g->failed.n || (g->sketch && g->stats.gets != gets_before) ||
           is_large(g->main) || is_large(g->hot);
}

void group_tick_all(struct group *g, uint64_t now_ms)
{
    pthread_mutex_lock(&g->mu);
    if (g->awake)
        awake_remove(g->awake, &g->awake_link); /* what happens from now on wakes it again */
    pthread_mutex_unlock(&g->mu);
    group_tick(g, now_ms);
    group_failed_tick(g, now_ms);
    group_calm_tick(g);
    group_seen_tick(g, now_ms);
    pthread_mutex_lock(&g->mu);
    if (is_busy_locked(g, g->ticked_gets))
        group_wake_locked(g);
    g->ticked_gets = g->stats.gets;
    pthread_mutex_unlock(&g->mu);
}
