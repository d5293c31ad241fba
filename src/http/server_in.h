/* SPDX-License-Identifier: MIT */
/* server_in.h - what the files of the server share; for http/ only.
 *
 * server.c has the life of a server and libmicrohttpd's callbacks, server_tick.c what the log tells
 * of its limits, server_loop.c its threads,
 * crowd.c the connections and their deadlines. route.c finds the function for a path. serve_get.c
 * has the get of one key, serve_web.c the requests to HTTP caches (web.c, web_answer.c,
 * web_interim.c),
 * serve_many.c a client's list of keys, serve_change.c a client's set, remove and flush; changing.c
 * has the change that either makes. serve_peer_batch.c has the batches of our own nodes,
 * serve_peer_change.c the changes of Go nodes, serve_admin.c the operators' paths. Below them
 * framing.c finds the end of a request, early.c fetches what a get will read, job.c has requests of
 * more than one call. body.c has their bodies, budget.c their memory, gather.c the loads of many
 * keys. keying.c makes a key of a query and headers, asking.c asks a function of the script for it.
 * answer.c and answer_value.c have the answers, answer_own.c the headers of a value, heading.c adds
 * headers. answer_cache.c has kept answers, answer_form.c responses that are filled in again,
 * sending.c the large ones that are being sent, access.c the access log, doors.c who may ask and
 * change values. last_words.c answers if libmicrohttpd gives up, by refusal.c. move.c takes
 * connections whose head is large or unfinished to porch.c. tls.c and credentials.c have TLS,
 * sorter.c tells it from plain HTTP. tally.h has the counters.
 *
 * All of it runs on HTTP threads, for the connection that is being handled, except wakers. */
#ifndef SERVER_IN_H
#define SERVER_IN_H

#include <stdatomic.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/seldom.h"
#include "http/answer.h"
#include "http/body.h"
#include "http/crowd.h"
#include "http/framing.h"
#include "http/sending.h"
#include "http/server.h"
#include "http/server_loop.h"
#include "http/tally.h"
#include "wire/auth.h"
#include "wire/dialect.h"

struct acceptor;
struct early;
struct sorter;
struct group;
struct MHD_Connection;
struct tls_conn;
struct traceparent;

/* Who asks, by the path of a request. */
enum server_asker { SERVER_ASKER_PEER, SERVER_ASKER_CLIENT, SERVER_ASKER_OPERATOR, SERVER_ASKERS };

/* In front of the group, where clients ask. */
#define SERVER_CLIENT_PATH "/cache/"

struct server {
    struct server_opts opts;    /* strings are ours */
    struct server_loop **loops; /* set before the acceptor starts */
    unsigned n_loops;
    struct server *twin;       /* without TLS, for clients without it; NULL: there is none */
    struct sorter *sorter;     /* sorts connections for both; NULL: there is no twin */
    struct acceptor *acceptor; /* the node's thread; NULL once it takes no more connections */
    atomic_uint active;
    atomic_int closing;       /* 1: every answer ends its connection */
    struct seldom refusals;   /* of changes */
    struct seldom strangers;  /* requests to base_path without a proof */
    struct budget budget;     /* of the current bodies, and the values they ask for */
    struct crowd crowd;       /* the connections */
    struct sendings sendings; /* the large answers that are being sent */
    struct tally tally;
    struct histogram times[SERVER_ASKERS]; /* of requests; shared by the HTTP threads */
    struct tally told;                     /* server_tick()'s: what the log has told */
    uint64_t next_ms;                      /* server_tick()'s: no line before */
};

/* A request that is not answered in its first call, since it has a body or waits. The connection
 * keeps the job until the request ends. Embedded in the struct of each kind. */
struct job {
    const struct job_kind *kind;
    struct server *server;
    struct answer_to to;
    struct group *group; /* a reference */
    struct body body;
    struct parking parking;
    uint64_t began_ns;       /* clock_ns() time of job_init() */
    struct auth_claim claim; /* of a signed request; to.claim points here */
    int judged;              /* 1: the body is the one that was signed */
    int last;                /* 1: its connection cannot take a further request */
};

struct job_kind {
    /* The body has arrived, or the connection was resumed: answers the request, or suspends again.
     */
    int (*run)(struct job *j);

    /* The request has ended, answered or not. Frees the job. */
    void (*end)(struct job *j);
};

/* A request with all its headers, before it is served. */
struct asked {
    struct server *server;
    struct answer_to to;
    const struct framing *framing;
    struct early *early;
    struct dialect_target target; /* the caller owns its bytes */
    const char *method;           /* of a client's request for a key, as are the next */
    const char *url;              /* its path behind the group and its query, as they came */
    size_t url_len;
    const char *query; /* behind the path in target.key, for a key function; NULL: none */
    void **con_cls;    /* where the connection keeps its job */
};

/* Fills in the common part of a job and gives it to the connection. Takes the reference to g. */
void job_init(struct job *j, const struct job_kind *kind, const struct asked *a, struct group *g);

/* Drops what job_init() took; the rest belongs to the kind. */
void job_deinit(struct job *j);

/* If the request has no body, runs the job at once. Else prepares for a body of at most max bytes,
 * or answers: it is too large, or there is no room for it now. */
int job_begin(struct job *j, const struct framing *f, size_t max);

/* Takes a piece of the body. Returns what libmicrohttpd's access handler returns. */
int job_take(struct job *j, const char *bytes, size_t n);

/* Its body has arrived, or its connection was resumed. */
int job_run(struct job *j);

/* Whether the connection may be suspended. 0: too many are, and the request was answered, with *ok.
 */
int job_may_park(struct job *j, int *ok);

/* Whether the other side has closed its connection, so that no answer is needed. A node that gave
 * up a set may have told its client, which may have set another value since. So a set is not done
 * once its sender is gone. */
int job_sender_is_gone(const struct job *j);

/* The receiver of a job's answer. */
const struct answer_to *job_to(struct job *j);

/* If a node of ours asks: compares its ring with that of the group, or of the node (NULL). */
void job_compare(struct asked *a, struct group *g);

/* The group of a request; NULL: the request was answered, with *ok. */
struct group *job_group_of(struct asked *a, int *ok);

/* The trace that a request says it belongs to, read into *out. NULL: none, or not well said. */
const struct traceparent *job_trace(struct MHD_Connection *c, struct traceparent *out);

/* Appends the parts of a request that a getter may see, in the form of flight.info. */
void job_put_info(struct buf *out, struct MHD_Connection *c, const struct group *g, int peer);

/* Fills in the receiver of a request's answer. */
void job_answer_to_init(struct answer_to *to, struct server *s, struct MHD_Connection *c, int peer);

/* Refuses a request and ends its connection, even if it still sends. */
int job_refuse(struct server *s, struct MHD_Connection *c, int status, enum err code,
               const char *why);

/* Whether the method is GET or HEAD. */
int job_is_get(const char *method);

struct request_line {
    const char *target; /* raw, without the query */
    const char *query;  /* raw, behind the first ?; NULL: no ? */
    const char *method;
    const struct tls_conn *tls; /* of the connection, also of one without TLS */
    struct early *early;        /* of the request */
};

/* Finds the function for a method and a target, and calls it. The method is one of HTTP, the
 * framing sound. It is called before a body arrives; a request that may not have a body is refused.
 */
int route(struct server *s, struct MHD_Connection *c, const struct request_line *line,
          const struct framing *f, void **con_cls);

/* Whether a target is for peers: below base_path. */
int route_is_peers(const struct server *s, const char *target);

/* Whether a target is for operators, such as /healthz. */
int route_is_admin(const char *target);

/* Each serves the kind in its name. */
int serve_admin(const struct asked *a, const char *path, const char *method);
int serve_admin_is_path(const char *path); /* whether serve_admin() has it */
int serve_get(struct asked *a);
int serve_web(struct asked *a, struct group *g); /* takes the reference */
/* If a node of ours asks for a client of an HTTP cache: serves it, takes the reference, and sets
 * *ok. Else returns 0. */
int serve_web_peer(struct asked *a, struct group *g, int *ok);
int serve_many(struct asked *a);
int serve_peer_batch(struct asked *a);
int serve_change_set(struct asked *a);
int serve_change_remove(struct asked *a);
int serve_change_flush(struct asked *a);
int serve_peer_change_set(struct asked *a);
int serve_peer_change_remove(struct asked *a);
int serve_peer_change_remove_keys(struct asked *a);

#endif
