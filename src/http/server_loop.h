/* SPDX-License-Identifier: MIT */
/* server_loop.h - a thread that serves connections: one daemon of libmicrohttpd, driven by us.
 *
 * libmicrohttpd's own threads (0.9.75) take up to 128 events at a time, and after exactly 128 they
 * wait for another before they handle any: so many busy connections would stand still until one
 * more says something. Here libmicrohttpd is never let wait, and whatever happens to a connection
 * happens on the thread of its loop: other threads only post to its inbox. */
#ifndef SERVER_LOOP_H
#define SERVER_LOOP_H

#include <sys/socket.h>

#include "base/err.h"
#include "base/inbox.h"

struct MHD_Connection;
struct MHD_Daemon;
struct server_loop;

/* A connection that is suspended until something elsewhere has ended; embedded in what waits. */
struct parking {
    struct msg msg;
    struct server_loop *loop;
    struct MHD_Connection *connection;
};

/* Starts the thread. Takes the daemon, which polls by epoll and has no thread and no listening
 * socket, also on failure. */
struct server_loop *server_loop_start(const char *name, struct MHD_Daemon *daemon, struct error *e);

/* Any thread: gives it a connection, a non-blocking socket that is its own from here on. */
void server_loop_add(struct server_loop *l, int fd, const struct sockaddr *addr, socklen_t len);

/* Any thread: how many connections it has. */
unsigned server_loop_connections(const struct server_loop *l);

/* From libmicrohttpd's callback, on the loop's thread: one of its connections is gone. */
void server_loop_closed(void);

/* In a callback of libmicrohttpd: a request is answered without waiting. Those that waited are then
 * let go on a few at a time. */
void server_loop_hit(void);

/* Likewise: suspends the connection. */
void server_loop_park(struct parking *p, struct MHD_Connection *c);

/* Any thread, once for each time it was parked: lets it go on. p may be gone when this returns. */
void server_loop_unpark(struct parking *p);

/* Ends the thread, then the daemon and its connections, none of which may be suspended. NULL is
 * fine. */
void server_loop_stop(struct server_loop *l);

#endif
