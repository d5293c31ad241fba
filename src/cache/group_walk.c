/* SPDX-License-Identifier: MIT */
/* group_walk.c - a walk over the items of a group, for a copy of them elsewhere. */
#include "cache/group_in.h"

size_t group_walk(struct group *g, size_t *at, struct item **out, size_t max)
{
    size_t i, n, kept = 0;

    pthread_mutex_lock(&g->mu);
    n = lru_walk(g->main, at, out, max);
    for (i = 0; i < n; i++) {
        if (group_tags_check_locked(g, out[i]))
            out[kept++] = item_ref(out[i]);
    }
    pthread_mutex_unlock(&g->mu);
    return kept;
}
