/* SPDX-License-Identifier: MIT */
/* server.h - the node's HTTP server: for peers, clients and operators, on threads with
 * libmicrohttpd.
 *
 * HTTP threads run no Lua and never block. A hit is answered from the item's own bytes; a miss
 * parks its connection as a waiter of the key's flight.
 *
 * One thread, the node's, starts and stops servers. It stops in this order: server_quiesce(), let
 * requests end, close the groups (so nothing stays parked), server_stop(). */
#ifndef SERVER_H
#define SERVER_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/histogram.h"
#include "http/tally.h"
#include "wire/dialect.h"

struct auth;
struct buf;
struct changes;
struct group;
struct groups;
struct keyask;
struct server;
struct spool;
struct tls;

/* Which paths a server has; /healthz and /readyz are on every one. */
enum server_face {
    SERVER_PEERS = 1,   /* base_path */
    SERVER_CLIENTS = 2, /* /cache/ */
    SERVER_DATA = SERVER_PEERS | SERVER_CLIENTS,
    SERVER_ADMIN = 4,    /* enum server_view */
    SERVER_FIRST_TRY = 8 /* the same, to somebody who asks by hand on this machine */
};

/* What operators see. */
enum server_view {
    SERVER_VIEW_STATS,   /* /stats, JSON */
    SERVER_VIEW_METRICS, /* /metrics, for Prometheus */
    SERVER_VIEW_TARGETS, /* /peers/http_sd, JSON: the nodes that Prometheus may ask */
    SERVER_VIEW_RECENT,  /* /recent, JSON: popular keys, slow and failed loads */
    SERVER_VIEW_KEY      /* /explain/GROUP/KEY, JSON: what is known of a key */
};

/* X(type, name): the settings of a node that its servers are made with (node/settings.h). */
#define SERVER_SETTINGS(X)                                                                         \
    X(uint64_t, max_connections) /* above it idle ones end, then new ones get 503 */               \
    X(uint64_t, max_key_bytes)   /* a longer key is 400 */                                         \
    X(enum dialect, dialect)                                                                       \
    X(int, tls_plain)                /* with TLS: plain HTTP is served, too */                     \
    X(const char *, peer_secret_for) /* which requests of nodes are signed: "all" or "changes" */  \
    X(const char *, front)           /* the group that has all other paths; NULL: none */          \
    X(const char *, base_path)       /* starts and ends with a slash */

/* What a node that makes a change is told of this node's ring. */
struct server_ring {
    uint64_t since_ms;    /* milliseconds since the list of peers has changed */
    uint64_t stood_in_ms; /* the same since the last request with HEADER_STAND_IN; UINT64_MAX: there
                           * was none */
    struct buf *urls;     /* takes the URLs of the list, each with a line end; NULL: not wanted */
};

struct server_opts {
    unsigned faces;        /* enum server_face, or-ed */
    int fd;                /* a listening socket (listen.h), which the server takes; -1: none */
    const char *address;   /* its address */
    unsigned threads;      /* of the pool, at least 1 */
    struct groups *groups; /* borrowed, as is the next */
    struct changes *changes;
    struct tls *tls;      /* borrowed; NULL: plain HTTP */
    struct auth *auth;    /* borrowed; NULL: requests of nodes are not signed */
    struct spool *access; /* borrowed: takes the access log; NULL: no access log */
#define X(type, name) type name;
    SERVER_SETTINGS(X)
#undef X

    /* On HTTP threads. not_ready returns why /readyz is 503, or NULL for 200; show appends a view
     * of the node. `t` has the group and the key of SERVER_VIEW_KEY. */
    const char *(*not_ready)(void *ctx);
    void (*show)(void *ctx, enum server_view what, const struct dialect_target *t, struct buf *out);

    /* On HTTP threads: a node with the URL `from` (NULL: it does not say) and the HEADER_VIEW
     * `view` asks for something of the group, or of no known group (NULL). If this node's view
     * differs, it is written to `own`. */
    void (*compare)(void *ctx, struct group *g, const char *from, const char *view,
                    char own[DIALECT_VIEW_BYTES]);

    /* On HTTP threads: what an answer to a change says of the peers of the group. */
    void (*ring)(void *ctx, struct group *g, struct server_ring *out);

    /* On HTTP threads, before any look at the group: a request has HEADER_STAND_IN. */
    void (*stands_in)(void *ctx, struct group *g);

    /* On HTTP threads: asks for the key of a request, in a group with a key function. */
    void (*ask_key)(void *ctx, struct keyask *a);
    void *ctx;
};

/* Copies the options. The server serves when this returns. NULL and e: no threads; then the socket
 * is closed. */
struct server *server_start(const struct server_opts *o, struct error *e);

/* Later connections are refused, and every answer ends its connection. */
void server_quiesce(struct server *s);

/* Requests begun and not yet answered. Any thread. */
unsigned server_active(const struct server *s);

/* Any thread, after server_quiesce(): connections that are about to ask. They were taken a moment
 * ago and have not asked yet, or their bytes have not been read. */
unsigned server_about_to_ask(struct server *s);

/* One thread: whether all HTTP threads have turned since the last call, as server_loop_turned()
 * says it. */
int server_turned(struct server *s);

/* To be called a few times a second, by one thread: closes readers that hold too much, and writes a
 * line about the limits that were reached, once a second at most. */
void server_tick(struct server *s, uint64_t now_ms);

/* Of one server or several. */
struct server_stats {
#define X(name, meaning) uint64_t name;
    TALLY_COUNTERS(X)
#undef X
    uint64_t connections, active; /* now, as all below; requests under way */
    uint64_t parked;              /* requests that wait for loads or changes */
    uint64_t body_bytes;          /* of bodies, batches and lists */
    uint64_t held_bytes;          /* of answers that are being sent, beside the caches */
    struct histogram peer_times, client_times, operator_times; /* of requests, by who asked */
};

/* Any thread: adds the server's numbers. */
void server_stats(struct server *s, struct server_stats *add);

/* Ends the server. No connection may be parked: the groups are closed. NULL is fine. */
void server_stop(struct server *s);

#endif
