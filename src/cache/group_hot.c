/* SPDX-License-Identifier: MIT */
/* group_hot.c - which keys of other nodes are hot, by measured rate: hot = "rate".
 *
 * Every get is counted in the group's sketch, hits too. So a copy that expires or is evicted is
 * kept again at the next load of its key. A copy of an owner's answer is kept if
 *
 *   this node has GROUP_HOT_RATE gets of the key a minute, or the owner says that it has
 *   OWNER_TIMES as many: it alone sees what all nodes want of it, and a node that has just started
 *   need not find out by itself;
 *   of our own count that much is no noise: it is NOISE times the mean cell. A scan fills all cells
 *   alike, however fast it goes, so its keys never stand out; and
 *   it is no less hot than what it would push out of the hot cache.
 *
 * The last rule is the promoter of vimeo/galaxycache. The owner's rate is what groupcache's authors
 * meant minute_qps for. A new key is hot at its 5th to 10th get in quick succession: GROUP_HOT_RATE
 * is half a get a second, and sketch_rate() knows only a part of a new rate. */
#include "base/clock.h"
#include "cache/group_in.h"

enum { OWNER_TIMES = 10, NOISE = 2 };

struct sketch *group_hot_sketch(const struct group_opts *o)
{
    return o->hot == HOT_RATE && !o->local_only ? sketch_new(clock_ms()) : NULL;
}

struct sketch *group_hot_configure_locked(struct group *g, struct sketch *fresh)
{
    struct sketch *was = g->sketch;

    if (was && fresh)
        return fresh;
    g->sketch = fresh;
    atomic_store(&g->measured, fresh != NULL);
    return was;
}

static double rate_locked(const struct group *g, uint32_t hash)
{
    double rate = sketch_rate(g->sketch, hash);

    return rate >= (double)NOISE * sketch_mean(g->sketch) ? rate : 0;
}

int group_hot_enough_locked(const struct group *g, const struct item *it, double minute_qps,
                            const struct item *victim)
{
    double rate = rate_locked(g, it->hash), told = minute_qps / (double)OWNER_TIMES;

    if (told > rate)
        rate = told;
    return rate >= (double)GROUP_HOT_RATE && (!victim || rate >= rate_locked(g, victim->hash));
}

double group_hot_minute_qps(struct group *g, uint32_t hash)
{
    double rate = 0;

    if (!atomic_load_explicit(&g->measured, memory_order_relaxed))
        return 0;
    pthread_mutex_lock(&g->mu);
    if (g->sketch)
        rate = rate_locked(g, hash);
    pthread_mutex_unlock(&g->mu);
    return rate;
}
