/* SPDX-License-Identifier: MIT */
/* node_rings.c - what a node says of its ring, and hears of others'. */
#include "base/clock.h"
#include "cache/group.h"
#include "change/change.h"
#include "http/server.h"
#include "node/group_peers.h"
#include "node/node_in.h"
#include "peer/agree.h"
#include "peer/peers.h"
#include "peer/stand_in.h"

void node_rings_compare(void *ctx, struct group *g, const char *from, const char *view,
                        char own[DIALECT_VIEW_BYTES])
{
    struct node *n = ctx;

    if (!agree_asked(g ? group_peers_of_group(g) : n->peers, from, view, own))
        own[0] = '\0';
}

/* Rounded down and less by one, so that no change of the list seems older than it is. */
void node_rings_tell(void *ctx, struct group *g, struct server_ring *out)
{
    struct peers *peers = group_peers_of_group(g);
    uint64_t since = clock_ms() - peers_changed_ms(peers);

    (void)ctx;
    out->since_ms = since ? since - 1 : 0;
    out->stood_in_ms = stand_in_ago_ms(peers);
    if (out->urls)
        peers_put(peers, out->urls);
}

void node_rings_stands_in(void *ctx, struct group *g)
{
    (void)ctx;
    stand_in_note(group_peers_of_group(g));
}

void node_rings_joined(void *ctx, struct peer *peer, uint64_t since_ms)
{
    struct node *n = ctx;

    changes_greet(n->changes, n->groups, peer, since_ms);
}
