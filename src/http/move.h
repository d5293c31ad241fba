/* SPDX-License-Identifier: MIT */
/* move.h - takes a connection away from libmicrohttpd while it reads the head of a request.
 *
 * libmicrohttpd 0.9 clears the whole memory of a connection after each request, so most have
 * little. If the head of a request needs more, or comes in pieces, its connection moves: what
 * libmicrohttpd has read of the head is written out again, and the socket goes to the porch. Once
 * the head is complete, it is given to a new connection of libmicrohttpd.
 *
 * libmicrohttpd may have read more than the head: a body, or further requests. It gives that away
 * with a connection that is "upgraded" (HTTP/1.1 only), so it is told to upgrade. Its 101 goes to
 * the dead socket. Where no upgrade can be had, the request is the last of its connection.
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
    int heads; /* that have begun: 0, 1, or 2 for all beyond */
    int alone; /* 1: of the first request only the head was read */
    enum {
        MOVE_NOT,
        MOVE_MARKED,
        MOVE_ASKED, /* libmicrohttpd is asked for what it has read behind the head */
        MOVE_ARRIVES,
        MOVE_AWAY
    } state;
    struct buf head; /* while MOVE_ASKED: the request's */
    int followed;    /* while MOVE_ASKED: 1: there may be bytes behind it */
};

/* What on_request() is to do about a request. */
enum move_due {
    MOVE_STAYS,
    MOVE_GOES,     /* the connection moves: libmicrohttpd is to end it */
    MOVE_ASKS,     /* the connection will move: libmicrohttpd is to go on with it */
    MOVE_WITH_BODY /* the connection is to move by move_with(), with the first bytes of the body */
};

/* The flag with which a daemon gives away what it has read, or 0. */
unsigned move_flag(void);

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

/* The same for a request with such a head. */
enum move_due move_is_due(struct move *m, const struct framing *f);

/* The head is complete for libmicrohttpd, but has no room there. It is refused if it has a body. If
 * anything else is behind it, it is the last of its connection. 0: it cannot move. */
int move_whole(struct move *m);

/* For MOVE_WITH_BODY, with the bytes of the body that libmicrohttpd has read. The request is the
 * last of its connection. Refuses the request if it cannot move. */
void move_with(struct move *m, const char *rest, size_t n);

/* libmicrohttpd had no room for an answer. Whether that is nothing to the client, since the
 * connection moves. */
int move_is_unanswered(struct move *m);

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
