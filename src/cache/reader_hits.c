/* SPDX-License-Identifier: MIT */
#include "cache/reader_hits.h"

#include "cache/group_in.h"

static void count_hit_locked(struct group *g, struct item *it, int now)
{
    g->stats.gets++;
    g->stats.cache_hits++;
    group_hot_count_locked(g, it->hash);
    if (now && item_is_in(it))
        lru_use(g->main, it);
    else
        lru_count_hit(g->main);
}

void reader_hits_count_one_locked(struct reader *r)
{
    struct group *g = r->group;
    uint32_t noted = atomic_load_explicit(&r->noted, memory_order_acquire);
    uint32_t first = atomic_load_explicit(&r->counted, memory_order_relaxed), i;
    int now = r->epoch == atomic_load_explicit(&g->epoch, memory_order_relaxed);

    for (i = first; i != noted; i++)
        count_hit_locked(g, r->ring[i % READER_RING], now);
    atomic_store_explicit(&r->counted, noted, memory_order_release);
}

void reader_hits_count_locked(struct group *g)
{
    struct list *l;

    list_each (l, &g->readers)
        reader_hits_count_one_locked(list_entry(l, struct reader, link));
}
