/* SPDX-License-Identifier: MIT */
/* node_in.h - what the files of node.h share. node.c: its life. node_loader.c: where its loads go.
 * node_show.c: how others see it. node_stop.c: its end. */
#ifndef NODE_IN_H
#define NODE_IN_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "cache/group.h"
#include "node/helpless.h"
#include "node/keeper.h"
#include "node/node.h"
#include "node/node_keys.h"
#include "node/node_servers.h"

enum { NODE_FAREWELL_MS = 2000 /* for the farewells of background functions */ };

struct node {
    struct settings settings; /* a copy */
    char *self;               /* the setting, or http:// and where it listens */
    uint64_t started_ms, started_wall_ms;
    struct groups *groups;
    struct net *net;
    struct peers *peers;
    struct keeper keeper;                /* of the lists of peers */
    struct group_peers_set *group_peers; /* the contexts of the groups' loaders */
    struct loader loader;                /* node_loader, with the log of changes */
    struct node_snapshot *snapshot;
    struct changes *changes;
    struct node_keys keys;
    struct spool *access;    /* the access log, or NULL */
    struct spans *spans;     /* for the collector, or NULL */
    struct workers *workers; /* set once, before any flight can start */
    struct keyers *keyers;   /* set once, before the servers start */
    struct control *control; /* set once, before any flight can start */
    size_t n_groups;         /* at the start */
    struct helpless helpless;
    pthread_t watch;
    int watching;
    atomic_int watched;        /* 1: the watch thread may end */
    struct watchdog *watchdog; /* NULL: the service manager asks for nothing */
    struct node_servers servers;
    atomic_int ready; /* 1: the node waits for no background function */
    atomic_int stopping;
};

/* Its context is the group's struct group_peers. */
extern const struct loader node_loader;

/* --- node_rings.c: functions of struct server_opts and peers_opts; ctx is the node --- */

void node_rings_compare(void *ctx, struct group *g, const char *from, const char *view,
                        char own[DIALECT_VIEW_BYTES]);
void node_rings_tell(void *ctx, struct group *g, struct server_ring *out);
void node_rings_stands_in(void *ctx, struct group *g);
void node_rings_joined(void *ctx, struct peer *peer, uint64_t since_ms);
/* For struct server_opts, on HTTP threads; their context is the node. */
const char *node_show_not_ready(void *ctx);
void node_show(void *ctx, enum server_view what, const struct dialect_target *t, struct buf *out);

/* Steps 4 to 9 of a stop, also of a node that has started in part. */
void node_stop_free(struct node *n);

#endif
