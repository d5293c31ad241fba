/* SPDX-License-Identifier: MIT */
/* sorter.h - tells connections with TLS from plain ones by their first byte, on a thread of its
 * own.
 *
 * A connection that has sent nothing for ten seconds is closed. */
#ifndef SORTER_H
#define SORTER_H

#include <sys/socket.h>

#include "base/err.h"

struct sorter;

/* Takes a connection, a non-blocking socket of which nothing was read. On the sorter's thread. */
struct sorter_way {
    void (*take)(void *ctx, int fd, const struct sockaddr *addr, socklen_t len);
    void *ctx;
};

/* Starts the thread. Both ways outlive it. NULL and e: no descriptors or thread. */
struct sorter *sorter_start(const struct sorter_way *tls, const struct sorter_way *plain,
                            struct error *e);

/* Any thread, not during sorter_stop(): takes the socket. */
void sorter_put(struct sorter *s, int fd, const struct sockaddr *addr, socklen_t len);

/* Ends the thread, and closes the connections that it still has. NULL is fine. */
void sorter_stop(struct sorter *s);

#endif
