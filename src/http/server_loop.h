/* SPDX-License-Identifier: MIT */
/* server_loop.h - a thread that serves connections: two daemons of libmicrohttpd, driven by us.
 *
 * libmicrohttpd's own threads (0.9.75) take up to 128 events at a time. After exactly 128 events
 * they wait for another before they handle any, so 128 busy connections would stand still. Here
 * libmicrohttpd never waits, and only the loop's thread touches a connection: other threads post to
 * its inbox. */
#ifndef SERVER_LOOP_H
#define SERVER_LOOP_H

#include <sys/socket.h>

#include "base/err.h"
#include "base/inbox.h"
#include "http/porch.h"

struct MHD_Connection;
struct MHD_Daemon;
struct server_loop;

/* A connection that is suspended until a load or a change has ended; embedded in the job. */
struct parking {
    struct msg msg;
    struct server_loop *loop;
    struct MHD_Connection *connection;
};

struct server_daemons {
    struct MHD_Daemon *common; /* for most connections */
    struct MHD_Daemon *roomy;  /* for those with a large head */
    size_t common_head;        /* bytes of a head for which the first has memory */
    unsigned most_parked;      /* the bound of server_loop_can_park() */
};

/* Starts the thread. Takes the daemons, also on failure: they use epoll, without a thread or a
 * listening socket. Of `porch` all but its function is used. */
struct server_loop *server_loop_start(const char *name, const struct server_daemons *daemons,
                                      const struct porch_opts *porch, struct error *e);

/* Any thread: gives the loop a connection, a non-blocking socket. The loop owns it from here on. */
void server_loop_add(struct server_loop *l, int fd, const struct sockaddr *addr, socklen_t len);

/* One thread: whether the loop's thread has turned since the last call, which is 0 the first time.
 * Wakes it, so that a thread that works has turned soon. */
int server_loop_turned(struct server_loop *l);

/* Any thread: the number of connections that were given to it, and that it has not taken yet. */
unsigned server_loop_arriving(const struct server_loop *l);

/* Any thread: the number of its connections. */
unsigned server_loop_connections(const struct server_loop *l);

/* From libmicrohttpd's callback, on the loop's thread: a connection has ended. */
void server_loop_closed(void);

/* In a callback of libmicrohttpd: a request is answered without waiting. Then parked connections
 * are resumed a few at a time. */
void server_loop_hit(void);

/* On a loop's thread, for work that can be put off: whether less than its share of the present turn
 * is noted as done. A hit waits for the rest of a turn. */
int server_loop_has_time(void);

/* On a loop's thread: so many bytes were read and written in memory, by such work. */
void server_loop_worked(size_t bytes);

/* In a callback of libmicrohttpd: whether one more request of a client may wait. */
int server_loop_can_park(void);

/* Any thread: the number of suspended connections. */
unsigned server_loop_parked(const struct server_loop *l);

/* In a callback of libmicrohttpd: suspends the connection. */
void server_loop_park(struct parking *p, struct MHD_Connection *c);

/* Any thread, once for each server_loop_park(): resumes the connection. p may be freed when this
 * returns. */
void server_loop_unpark(struct parking *p);

/* Ends the thread, then the daemon and its connections. No connection may be suspended. NULL is
 * fine. */
void server_loop_stop(struct server_loop *l);

#endif
