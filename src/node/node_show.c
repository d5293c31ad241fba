/* SPDX-License-Identifier: MIT */
/* node_show.c - a node as others see it: whether it is ready, and its views. */
#include <stdatomic.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/spans.h"
#include "change/change.h"
#include "http/server.h"
#include "node/keeper.h"
#include "node/node_in.h"
#include "node/node_metrics.h"
#include "node/node_seen.h"
#include "node/node_servers.h"
#include "node/node_stats.h"
#include "wire/dialect.h"

const char *node_show_not_ready(void *ctx)
{
    struct node *n = ctx;

    if (atomic_load(&n->stopping))
        return "draining";
    if (atomic_load(&n->helpless.now))
        return "stuck: all workers are in C functions";
    return atomic_load(&n->ready) ? NULL : "starting";
}

static struct node_view view_of(struct node *n)
{
    struct node_view view = {
        .self = n->self,
        .admin = node_listen_address(&n->servers.sockets, SERVER_ADMIN),
        .started_wall_ms = n->started_wall_ms,
        .vm_bytes = n->settings.vm.vm_bytes,
        .workers = n->workers,
        .keyers = n->keyers,
        .control = n->control,
        .groups = n->groups,
        .peers = n->peers,
        .keeper = &n->keeper,
        .whole = {.ready = !node_show_not_ready(n),
                  .uptime_ms = clock_ms() - n->started_ms,
                  .dialect = dialect_name(n->settings.peers.dialect),
                  .hash = hash_kind_name(n->settings.peers.hash),
                  .replicas = n->settings.peers.replicas,
                  .unconfirmed = changes_unconfirmed(n->changes)},
    };

    spans_counts(n->spans, &view.whole.spans_sent, &view.whole.spans_dropped);
    node_servers_stats(&n->servers, &view.http);
    return view;
}

void node_show(void *ctx, enum server_view what, const struct dialect_target *t, struct buf *out)
{
    const struct node_view view = view_of(ctx);

    switch (what) {
    case SERVER_VIEW_STATS:
        node_stats_put(&view, out);
        break;
    case SERVER_VIEW_METRICS:
        node_metrics_put(&view, out);
        break;
    case SERVER_VIEW_TARGETS:
        node_metrics_put_targets(&view, out);
        break;
    case SERVER_VIEW_RECENT:
        node_seen_put_recent(&view, out);
        break;
    case SERVER_VIEW_KEY:
        node_seen_put_key(&view, t->group, t->group_len, t->key, t->key_len, out);
        break;
    }
}
