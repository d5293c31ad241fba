/* SPDX-License-Identifier: MIT */
/* node_servers.h - the HTTP servers of a node, one for each of its sockets. */
#ifndef NODE_SERVERS_H
#define NODE_SERVERS_H

#include <stdatomic.h>
#include <stdint.h>

#include "http/server.h"
#include "node/node_listen.h"

struct node_keys;

struct node_servers {
    struct node_sockets sockets; /* node_listen() opens them */
    struct server *list[NODE_MAX_SOCKETS];
    atomic_int serving; /* 1: the list is complete */
};

/* Starts a server for each socket. `common` has what is the same for all of them. On an error the
 * caller still stops those that have started. */
enum err node_servers_start(struct node_servers *s, const struct server_opts *common,
                            struct node_keys *keys, struct error *e);

/* Logs the addresses. */
void node_servers_log(const struct node_servers *s);

/* Any thread, also before the start: server_tick() and server_stats() of all. */
void node_servers_tick(struct node_servers *s, uint64_t now_ms);
void node_servers_stats(struct node_servers *s, struct server_stats *add);

/* Requests begun and not yet answered. */
unsigned node_servers_active(const struct node_servers *s);

/* After node_servers_quiesce(): connections of peers and clients that are about to ask. */
unsigned node_servers_about_to_ask(const struct node_servers *s);

/* One thread: whether the threads of all servers have turned since the last call. */
int node_servers_turned(struct node_servers *s);

/* Peers and clients get no further connections; operators do. */
void node_servers_quiesce(struct node_servers *s);

/* Ends all, and closes the sockets. */
void node_servers_stop(struct node_servers *s);

#endif
