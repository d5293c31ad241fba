/* SPDX-License-Identifier: MIT */
/* acceptor.h - takes connections from a listening socket, on a thread of its own.
 *
 * libmicrohttpd does not listen itself. To stop listening while connections go on, it has
 * MHD_quiesce_daemon, which can end the process (0.9.75) if one of its threads is awake. And its
 * thread without connections spins while the process is out of descriptors. */
#ifndef ACCEPTOR_H
#define ACCEPTOR_H

#include <sys/socket.h>

#include "base/err.h"

struct acceptor;

/* Starts the thread. `taken` is called on it for each connection: the descriptor (non-blocking,
 * close-on-exec) is its own then. Takes `fd`, the listening socket, also on failure. */
struct acceptor *acceptor_start(const char *name, int fd,
                                void (*taken)(void *ctx, int fd, const struct sockaddr *addr,
                                              socklen_t len),
                                void *ctx, struct error *e);

/* Takes the connections that have arrived, then closes the socket: later connections are refused.
 * NULL is fine. */
void acceptor_stop(struct acceptor *a);

#endif
