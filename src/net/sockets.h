/* SPDX-License-Identifier: MIT */
/* sockets.h - the descriptors that the network thread waits for: its inbox, the connections, and
 * libcurl's own, such as its resolver's.
 *
 * A connection that libcurl no longer watches stays in the epoll set: this saves two system calls
 * if it soon carries the next exchange. It is safe because every connection is opened and closed
 * here. If an idle connection is readable, the other side has hung up, or has sent bytes that the
 * next exchange would take for its answer. So it is closed at once.
 *
 * A descriptor has a user, a small number of the caller's choice.
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

/* Borrows inbox and waits for it from now on. NOMEM and e: no descriptors. */
enum err sockets_init(struct sockets *s, int inbox, unsigned max_connections, struct error *e);
void sockets_deinit(struct sockets *s);

/* Opens a socket(2) for a connection; closes it. -1: no descriptor, or no memory. */
int sockets_open(struct sockets *s, int family, int type, int protocol);
int sockets_close(struct sockets *s, int fd);

/* Waits for these events of fd from now on, for a user; 0: it is idle, or no longer libcurl's. -1:
 * cannot be watched. */
int sockets_want(struct sockets *s, int fd, unsigned events, unsigned char user);

/* Adds a connection to the set if it is missing there: its answer may have come before anybody
 * waited for it. Fine for any fd. */
void sockets_watch(struct sockets *s, int fd);

/* The events of fd, by an event of epoll_wait(2), that libcurl waits for, and their user. 0: nobody
 * waits, and a connection has been closed. */
unsigned sockets_take(struct sockets *s, const struct epoll_event *ev, unsigned char *user);

/* Closes every idle connection that is readable. Returns whether it closed any. */
int sockets_drop_speakers(struct sockets *s);

#endif
