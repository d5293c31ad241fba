/* SPDX-License-Identifier: MIT */
/* watchdog.h - tells the service manager that the node works, while it does (base/notify.h).
 *
 * In each third of the manager's time all HTTP threads, the network thread and some VM of the crew
 * must have turned. Else nothing is said, and the manager ends the process. The thread is one of
 * its own: the watch thread waits while a reload makes VMs. */
#ifndef WATCHDOG_H
#define WATCHDOG_H

#include "base/err.h"

struct net;
struct node_servers;
struct watchdog;
struct workers;

/* Starts the thread; *out is NULL if the manager asks for nothing. Borrows the rest until
 * watchdog_stop(). The node's thread. */
enum err watchdog_start(struct node_servers *servers, struct net *net, struct workers *workers,
                        struct watchdog **out, struct error *e);

/* Ends the thread, and frees. NULL is fine. */
void watchdog_stop(struct watchdog *w);

#endif
