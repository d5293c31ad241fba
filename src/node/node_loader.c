/* SPDX-License-Identifier: MIT */
/* node_loader.c - where the loads of a node's groups go: to peers, or to the crew. */
#include "node/group_peers.h"
#include "node/node_in.h"
#include "node/workers.h"
#include "peer/handover.h"
#include "peer/peers.h"

static struct peer *load_owner(void *ctx, const void *key, size_t key_len)
{
    return peers_owner(group_peers_of(ctx), key, key_len);
}

static void load_disown(void *ctx, struct peer *owner)
{
    peers_disown(group_peers_of(ctx), owner);
}

static void load_remote(void *ctx, struct flight *f, struct peer *owner)
{
    peer_queue_load(group_peers_of(ctx), f, owner); /* a change meanwhile does no harm */
}

static void load_hold(void *ctx)
{
    struct node *n = group_peers_ctx(ctx);

    workers_hold(n->workers);
    peer_queue_hold();
}

static void load_release(void *ctx)
{
    (void)ctx;
    peer_queue_release();
    workers_release();
}

static void load_local(void *ctx, struct flight *f)
{
    struct node *n = group_peers_ctx(ctx);
    struct peers *peers = group_peers_of(ctx);
    struct peer *from = NULL;

    if (!f->asked && !group_opts(f->group).local_only && !group_http(f->group))
        from = handover_from(peers, f);
    if (from)
        peer_queue_handover(f, from);
    else
        workers_load(n->workers, f);
}

const struct loader node_loader = {
    .owner = load_owner,
    .disown = load_disown,
    .remote = load_remote,
    .local = load_local,
    .hold = load_hold,
    .release = load_release,
};
