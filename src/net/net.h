/* SPDX-License-Identifier: MIT */
/* net.h - the network thread: a CURLM for each lane, one epoll set, timers. It runs no Lua.
 *
 * Every HTTP exchange that the node makes as a client runs here, to peers and for getters
 * (fetch.h). Any thread may post work to it; everything else runs on the thread itself. */
#ifndef NET_H
#define NET_H

#include <stdint.h>

#include "base/err.h"
#include "base/inbox.h"
#include "base/list.h"
#include "base/timers.h"
#include "net/lane.h"

struct identity;
struct net;

struct net_opts {
    unsigned max_host_connections; /* of a lane (lane.h) to one host; 0: 64. Further exchanges
                                    * wait. Checks have few */
    unsigned max_connections;      /* of a lane in all; 0: 512 */
    unsigned tick_ms;              /* how often tick runs; 0: 50 */
    void (*tick)(void *ctx, uint64_t now_ms); /* on the thread, no lock held; NULL for none */
    void *ctx;
};

/* Starts the thread. Copies the options. NULL and e: no descriptors, memory or thread. */
struct net *net_start(const struct net_opts *opts, struct error *e);

/* Ends every exchange under way with CLOSED (their done functions still run, on the thread), then
 * the thread. From here on posts and exchanges are refused. Not from the thread itself. NULL is
 * fine. */
void net_end(struct net *n);

/* Calls net_end() unless it was called before, then frees all. NULL is fine. */
void net_stop(struct net *n);

/* Any thread: exchanges that begin later, and ask for it (fetch.h), show this identity to https
 * servers and believe its CA. Borrows id. */
void net_show(struct net *n, struct identity *id);

/* One thread: whether the network thread has turned since the last call, which is 0 the first time.
 * Wakes it. */
int net_turned(struct net *n);

/* Any thread: m->run is called on the network thread. 0 when it is stopping: m is the caller's. */
int net_post(struct net *n, struct msg *m);

/* On the network thread: t->run is called on it after ms of real time, unless the thread has ended
 * by then. NOMEM leaves t unset. */
enum err net_timer_set(struct net *n, struct timer *t, uint64_t ms);

/* Something that must be done, embedded in what waits. */
struct net_later {
    void (*run)(struct net_later *l);
    struct timer timer; /* the thread's, like link */
    struct list link;
};

/* On the network thread: l->run is called on it once, after ms of real time. It is called sooner
 * when the thread ends, and at once if there is no memory or the thread is ending. */
void net_later(struct net *n, struct net_later *l, uint64_t ms);

#endif
