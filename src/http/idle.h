/* SPDX-License-Identifier: MIT */
/* idle.h - the end of connections on which nothing has moved for long.
 *
 * libmicrohttpd has a timeout of its own, and for its sake notes the time three times a request.
 * The kernel knows when a socket last sent or received, so it is asked, a few times a minute. A
 * suspended connection waits for us, not for its client, and is left alone.
 *
 * All of it belongs to the thread of the connections. */
#ifndef IDLE_H
#define IDLE_H

#include <stdint.h>

#include "base/list.h"

struct MHD_Connection;

/* Embedded in what belongs to a connection. */
struct idle {
    struct list watched;
    struct MHD_Connection *connection;
    int fd;
};

void idle_watch(struct idle *i, struct MHD_Connection *c);

/* Any thread, once the connection's own has called idle_deinit(). */
void idle_unwatch(struct idle *i);

/* To be called at the latest at idle_due_ms(), UINT64_MAX for never: shuts down the sockets on
 * which nothing moved for two minutes. */
void idle_sweep(uint64_t now_ms);
uint64_t idle_due_ms(void);

/* Watches nothing any more: the thread ends. */
void idle_deinit(void);

/* For how long a TCP socket has neither sent nor received any bytes. 0 for what is none. */
unsigned idle_ms(int fd);

#endif
