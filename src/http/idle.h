/* SPDX-License-Identifier: MIT */
/* idle.h - ends connections that have been idle for long.
 *
 * For its own timeout libmicrohttpd reads the clock three times a request. The kernel knows when a
 * socket last sent or received, so we ask the kernel a few times a minute. A suspended connection
 * waits for us, not for its client, so it is not ended.
 *
 * All of it belongs to the connections' thread. */
#ifndef IDLE_H
#define IDLE_H

#include <stdint.h>

#include "base/list.h"

struct MHD_Connection;

/* Embedded in the struct of a connection. */
struct idle {
    struct list watched;
    struct MHD_Connection *connection;
    int fd;
};

void idle_watch(struct idle *i, struct MHD_Connection *c);
void idle_watch_fd(struct idle *i, int fd); /* of a connection that libmicrohttpd does not have */

/* Any thread, after the connection's thread has called idle_deinit(). */
void idle_unwatch(struct idle *i);

/* To be called at the latest at idle_due_ms(), UINT64_MAX for never: shuts down the sockets on
 * which nothing moved for two minutes. */
void idle_sweep(uint64_t now_ms);
uint64_t idle_due_ms(void);

/* Stops watching: the thread ends. */
void idle_deinit(void);

/* The time for which a TCP socket has neither sent nor received bytes. 0 for other descriptors. */
unsigned idle_ms(int fd);

#endif
