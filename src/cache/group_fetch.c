/* SPDX-License-Identifier: MIT */
/* group_fetch.c - what a get will read is fetched into the processor's cache. Of a group with few
 * items it is there anyway. If another thread has the mutex, nothing is fetched: the get is only
 * slower then. */
#include "cache/group_in.h"

static int may_fetch(struct group *g)
{
    return atomic_load_explicit(&g->many, memory_order_relaxed) && !pthread_mutex_trylock(&g->mu);
}

void group_fetch_place(struct group *g, uint32_t hash)
{
    if (!may_fetch(g))
        return;
    lru_fetch_place(g->main, hash);
    pthread_mutex_unlock(&g->mu);
}

void group_fetch_item(struct group *g, uint32_t hash)
{
    if (!may_fetch(g))
        return;
    lru_fetch_item(g->main, hash);
    pthread_mutex_unlock(&g->mu);
}
