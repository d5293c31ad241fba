/* SPDX-License-Identifier: MIT */
/* group_restore.c - items that come back from a copy, such as a snapshot. */
#include "base/clock.h"
#include "cache/after.h"
#include "cache/group_in.h"

/* Nothing is evicted for it: the present items are newer. */
static int has_room_locked(const struct group *g, const struct item *it)
{
    return lru_bytes(g->main) + lru_bytes(g->hot) + g->stats.flushed_bytes + item_cost(it) <=
           g->opts.cache_bytes;
}

int group_restore(struct group *g, struct item *it)
{
    struct key_ref k = item_key_ref(it);
    struct after a;
    int kept = 0;

    after_init(&a);
    pthread_mutex_lock(&g->mu);
    if (!group_tags_outdate_locked(g, it) && !lru_peek(g->main, &k) && has_room_locked(g, it) &&
        it->value_len <= g->opts.max_value_bytes && !group_stale_is_over_locked(g, it, clock_ms()))
        kept = group_keep_put_main_locked(g, it, &a);
    pthread_mutex_unlock(&g->mu);
    after_run(g, &a);
    item_unref(it);
    return kept;
}
