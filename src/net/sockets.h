/* SPDX-License-Identifier: MIT */
/* sockets.h - the descriptors that the network thread waits for: its inbox, the connections, and
 * what libcurl makes for itself (its resolver's).
 *
 * A connection that libcurl no longer watches stays in the epoll set: most of them carry the next
 * exchange soon, and two system calls are saved each time. That is safe because every connection is
 * opened and closed through here. When an idle one speaks, its other side has hung up, or has sent
 * bytes that the next exchange would take for its answer: it is closed at once.
 *
 * Knows no libcurl. Events are EPOLLIN and its like. One thread. */
#ifndef SOCKETS_H
#define SOCKETS_H

#include <stddef.h>
#include <sys/epoll.h>

#include "base/err.h"

struct watch;

struct sockets {
    int epoll, inbox;
    int dead_end;            /* a socket whose other side is closed */
    struct epoll_event *all; /* room for an event of every connection */
    int max;                 /* how many fit there */
    struct watch *watches;   /* by descriptor */
    size_t n;
};

/* inbox is borrowed, and waited for from now on. NOMEM and e: no descriptors. */
enum err sockets_init(struct sockets *s, int inbox, unsigned max_connections, struct error *e);
void sockets_deinit(struct sockets *s);

/* socket(2) for a connection, and its end. -1: no descriptor, or no memory. */
int sockets_open(struct sockets *s, int family, int type, int protocol);
int sockets_close(struct sockets *s, int fd);

/* Waits for these events of fd from now on; 0: it is idle, or libcurl's no more. -1: cannot be
 * watched. */
int sockets_want(struct sockets *s, int fd, unsigned events);

/* Makes sure that a connection is in the set, which one is not whose answer came before anybody had
 * to wait for it. Fine for any fd. */
void sockets_watch(struct sockets *s, int fd);

/* What has happened to fd, by an event of epoll_wait(2), for whom waits for it. 0: nobody does, and
 * if it is a connection it has been closed. */
unsigned sockets_take(struct sockets *s, const struct epoll_event *ev);

/* Closes every idle connection on which something has come. Returns whether there was one. */
int sockets_drop_speakers(struct sockets *s);

#endif
