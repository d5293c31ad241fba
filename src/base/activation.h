/* SPDX-License-Identifier: MIT */
/* activation.h - listening sockets that a service manager opened for this process, in the protocol
 * of sd_listen_fds(3). systemd keeps such a socket while a service restarts, so clients wait in its
 * queue and are not refused.
 *
 * The sockets belong to the process, so only groupcached takes them, and only its one node uses
 * them. In a program nothing is taken. One thread. */
#ifndef ACTIVATION_H
#define ACTIVATION_H

#include <stddef.h>

#include "base/err.h"

enum { ACTIVATION_MAX = 16 };

/* Takes the sockets that LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES tell of. The variables are
 * removed, so that no child takes the sockets, too. The descriptors become close-on-exec and
 * non-blocking. To be called before the process forks or has threads. INVAL: a variable or a
 * descriptor is not as it must be. */
enum err activation_take(struct error *e);

/* The number of sockets; 0 as well if the variables name another process. */
size_t activation_count(void);

/* The name of a socket, "" if it has none, and its descriptor, -1 if it was given away. */
const char *activation_name(size_t i);
int activation_fd(size_t i);

/* Gives the descriptor to the caller, who closes it. */
int activation_give(size_t i);

#endif
