/* SPDX-License-Identifier: MIT */
#include "cache/cycle.h"

#include <pthread.h>
#include <stdint.h>

enum { DEEPEST = 1000 /* a chain of loads longer than that is taken for a circle */ };

static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
static uint64_t search; /* guarded by mu: number of the search, to visit a node once in each */

static int reaches_locked(struct cycle_node *at, const struct cycle_node *goal, int depth)
{
    struct list *l;

    if (at == goal || depth > DEEPEST)
        return 1;
    if (at->searched == search)
        return 0;
    at->searched = search;
    list_each (l, &at->waits) {
        if (reaches_locked(list_entry(l, struct cycle_edge, link)->to, goal, depth + 1))
            return 1;
    }
    return 0;
}

void cycle_init(struct cycle_node *n)
{
    list_init(&n->waits);
    n->waited = 0;
    n->searched = 0;
}

int cycle_add(struct cycle_edge *edge, struct cycle_node *from, struct cycle_node *to)
{
    int circle;

    pthread_mutex_lock(&mu);
    search++;
    circle = reaches_locked(to, from, 0);
    if (!circle) {
        edge->to = to;
        from->waited = 1;
        list_push_back(&from->waits, &edge->link);
    }
    pthread_mutex_unlock(&mu);
    return !circle;
}

void cycle_clear(struct cycle_node *from)
{
    pthread_mutex_lock(&mu);
    while (list_pop_front(&from->waits))
        ;
    pthread_mutex_unlock(&mu);
}

void cycle_del(struct cycle_edge *edge)
{
    pthread_mutex_lock(&mu);
    list_del(&edge->link);
    edge->to = NULL;
    pthread_mutex_unlock(&mu);
}
