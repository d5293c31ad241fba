/* SPDX-License-Identifier: MIT */
/* move.h - takes a connection away from libmicrohttpd while it reads the head of a request.
 *
 * libmicrohttpd 0.9 clears the whole memory of a connection after each request, so most have
 * little. If the head of a request needs more, or comes in pieces, its connection moves: what
 * libmicrohttpd has read of the head is written out again, and the socket goes to the porch. Once
 * the head is complete, it is given to a new connection of libmicrohttpd.
 *
 * The socket is exchanged under libmicrohttpd by dup2(): the old connection gets a dead one and
 * ends. The new connection first gets a pair of sockets, from which it reads the head, then the
 * real one. Descriptors are the only thing that libmicrohttpd keeps of a socket, beside its place
 * in the daemon's epoll set.
 *
 * libmicrohttpd 1.0 clears as much, but gives up no head for lack of records; nothing moves there.
 *
 * HTTP threads, each for its own connections. */
#ifndef MOVE_H
#define MOVE_H

#include "base/list.h"
#include "http/framing.h"
#include "http/porch.h"

struct MHD_Connection;
struct MHD_Daemon;

/* Of a connection of libmicrohttpd. */
struct move {
    struct list link; /* among the unfinished heads of the thread */
    struct MHD_Connection *connection;
    const char *method; /* of the request, once its first call has come; else NULL */
    const char *target; /* its C string without the query, libmicrohttpd's */
    const char *version;
    const char *query; /* the caller's; NULL: none */
    int fd;    /* the real socket while libmicrohttpd has another; -1: it has the real one */
    int other; /* the other end of what libmicrohttpd has instead, or -1 */
    int roomy; /* 1: has much memory */
    int stays; /* 1: it never moves */
    enum { MOVE_NOT, MOVE_MARKED, MOVE_ARRIVES, MOVE_AWAY } state;
};

/* In the callback for a new connection. stays: it never moves, since its bytes are not the
 * request's, as with TLS. */
void move_init(struct move *m, struct MHD_Connection *c, int stays);

/* In the callback for a target, whose C string is target and ends at target_end; query is kept as
 * long as the request lasts. */
void move_head_begins(struct move *m, const char *target, const char *target_end,
                      const char *query);

/* The head is complete for libmicrohttpd, which gives its method in the first call for the request.
 */
void move_head_ends(struct move *m, const char *method);

/* After libmicrohttpd has run: heads that are unfinished will move. 1: libmicrohttpd must run
 * again.
 */
int move_unfinished(void);

/* In the first call for a request. 1: the connection moves, and libmicrohttpd is to end it. */
int move_is_under_way(struct move *m);
int move_is_away(const struct move *m); /* whether it has moved */

/* The same for a request with such a head. -1: it is to move with its body, by move_with(). A body
 * in chunks stays: nobody can say how much of it was read with the head. */
int move_is_due(struct move *m, const struct framing *f);

/* The head is complete for libmicrohttpd, but has no room there. It is refused if it has a body. 0:
 * it cannot move. */
int move_whole(struct move *m);

/* The same for a head with a body, and the bytes of the body that libmicrohttpd has read. Refuses
 * the request if it cannot move. */
void move_with(struct move *m, const char *rest, size_t n);

/* Ends the request with this status, whatever libmicrohttpd is about to answer. */
void move_refuse(struct move *m, int status);

/* Any of the unfinished heads that is complete, the one that began last, or the one beside which
 * there are no others; or NULL. */
struct move *move_with_whole_head(void);
struct move *move_latest(void);
struct move *move_only(void);

/* Gives a guest of the porch to libmicrohttpd. Returns what MHD_add_connection() does. */
int move_arrive(struct MHD_Daemon *daemon, const struct porch_guest *g, int roomy);

/* The connection is closed. */
void move_closed(struct move *m);

#endif
