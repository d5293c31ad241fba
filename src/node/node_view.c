/* SPDX-License-Identifier: MIT */
#include "node/node_view.h"

#include "cache/group.h"
#include "cache/groups.h"
#include "node/keyers.h"
#include "node/workers.h"

static void add_cache_bytes(void *arg, struct group *g)
{
    uint64_t *sum = arg;

    *sum += group_opts(g).cache_bytes;
}

void node_view_workers(const struct node_view *v, struct workers_stats *out)
{
    struct workers_stats keyers;

    workers_stats(v->workers, out);
    keyers_stats(v->keyers, &keyers);
    out->retiring += keyers.retiring;
    out->stuck += keyers.stuck;
    out->replaced += keyers.replaced;
}

/* The control worker's VM is the one that is added. */
void node_view_memory(const struct node_view *v, struct figures_memory_stats *out)
{
    struct workers_stats s, keyers;

    node_view_workers(v, &s);
    keyers_stats(v->keyers, &keyers);
    out->resident_bytes = figures_resident_bytes();
    out->vm_budget_bytes = (s.vms + s.retiring + s.stuck + keyers.vms + 1) * v->vm_bytes;
    out->cache_budget_bytes = 0;
    groups_each(v->groups, add_cache_bytes, &out->cache_budget_bytes);
}
