/* SPDX-License-Identifier: MIT */
/* group_fetch.c - what a get will read is fetched into the processor's cache. If another thread has
 * the mutex, nothing is fetched: the get is only slower then. */
#include "cache/group_in.h"

void group_fetch_place(struct group *g, uint32_t hash)
{
    if (pthread_mutex_trylock(&g->mu))
        return;
    lru_fetch_place(g->main, hash);
    pthread_mutex_unlock(&g->mu);
}

void group_fetch_item(struct group *g, uint32_t hash)
{
    if (pthread_mutex_trylock(&g->mu))
        return;
    lru_fetch_item(g->main, hash);
    pthread_mutex_unlock(&g->mu);
}
