/* SPDX-License-Identifier: MIT */
/* node_stop.c - the end of a node, from the outside in. No step may come earlier:
 *
 *   1 not ready, farewells         load balancers and other nodes look elsewhere
 *   2 refuse new connections       open connections are still served
 *   3 wait for requests to end     for the drain time at most; stuck VMs are replaced until then
 *   4 end the background functions and questions for keys, close the groups: ends all flights
 *   5 stop the network thread      ends all exchanges and changes: no request stays parked
 *   6 let connections answer       parked requests get a 503, if their clients read it
 *   7 stop the servers             libmicrohttpd aborts while a connection is suspended
 *   8 stop all workers             their fetches are refused by now; then nobody changes a
 *                                  group: the last snapshot
 *   9 free */
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/notify.h"
#include "base/spans.h"
#include "base/spool.h"
#include "cache/group.h"
#include "cache/groups.h"
#include "change/change.h"
#include "change/handing.h"
#include "net/net.h"
#include "node/control.h"
#include "node/group_peers.h"
#include "node/keeper.h"
#include "node/keyers.h"
#include "node/node_in.h"
#include "node/node_keys.h"
#include "node/node_servers.h"
#include "node/node_snapshot.h"
#include "node/watchdog.h"
#include "node/workers.h"
#include "peer/peers.h"

enum {
    DRAIN_POLL_MS = 5,
    LAST_WORDS_MS = 500,
    CONTROL_MS = 2000,
    HAND_SHARE = 2 /* of the drain time */
};

static int for_ever(const struct node *n)
{
    (void)n;
    return 1;
}

static int while_active(const struct node *n)
{
    return node_servers_active(&n->servers) != 0;
}

/* A connection that was taken a moment ago has not asked yet. */
static int while_asked(const struct node *n)
{
    return while_active(n) || node_servers_about_to_ask(&n->servers);
}

/* Waits for ms, while more(n) says 1. 1 when hurry() has ended the wait. */
static int wait_a_while(const struct node *n, int (*more)(const struct node *n), uint64_t ms,
                        int (*hurry)(void *arg), void *arg)
{
    const struct timespec pause = {0, DRAIN_POLL_MS * 1000000};
    uint64_t until = clock_ms() + ms;

    while (more(n) && clock_ms() < until) {
        if (hurry && hurry(arg))
            return 1;
        nanosleep(&pause, NULL);
    }
    return 0;
}

/* Remembers that hurry() has said 1: it says so once. */
struct haste {
    int (*hurry)(void *arg);
    void *arg;
    int now;
};

static int is_hurried(void *arg)
{
    struct haste *h = arg;

    h->now = h->now || (h->hurry && h->hurry(h->arg));
    return h->now;
}

/* What this node holds is of use to the next owners of its keys. */
static void hand_over(struct node *n, struct haste *h)
{
    uint64_t began = clock_ms(), until = began + n->settings.drain_timeout_ms / HAND_SHARE;
    uint64_t items = handing_over(n->groups, group_peers_of_group, until, is_hurried, h);

    if (items)
        log_info("node", "handed its items to their next owners", "items=%llu ms=%llu",
                 (unsigned long long)items, (unsigned long long)(clock_ms() - began));
}

static void drain(struct node *n, int (*hurry)(void *arg), void *arg)
{
    uint64_t until = clock_ms() + n->settings.drain_timeout_ms, now;
    struct haste h = {hurry, arg, 0};

    hand_over(n, &h);
    now = clock_ms();
    wait_a_while(n, while_asked, until > now ? until - now : 0, is_hurried, &h);
    if (node_servers_active(&n->servers))
        log_warn("node", "requests were under way when the drain time ended", "requests=%u",
                 node_servers_active(&n->servers));
}

static void close_group(void *arg, struct group *g)
{
    (void)arg;
    group_failed_tick(g, UINT64_MAX);
    group_close(g);
}

void node_stop_free(struct node *n)
{
    uint64_t until_ms = clock_ms() + CONTROL_MS;
    int ended;

    atomic_store(&n->stopping, 1);
    atomic_store(&n->watched, 1);
    if (n->watching)
        pthread_join(n->watch, NULL);
    watchdog_stop(n->watchdog);
    control_quit(n->control);
    keyers_close(n->keyers);
    groups_each(n->groups, close_group, NULL);
    net_end(n->net);
    wait_a_while(n, while_active, LAST_WORDS_MS, NULL, NULL);
    node_servers_stop(&n->servers);
    spool_close(n->access);
    ended = !n->workers || workers_stop(n->workers);
    ended &= keyers_stop(n->keyers);
    ended &= control_stop(n->control, until_ms);
    node_snapshot_end(n->snapshot, ended);
    if (!ended)
        return; /* a stuck thread may use the rest, so it is leaked */
    control_free(n->control);
    workers_free(n->workers);
    keyers_free(n->keyers);
    net_stop(n->net);
    changes_free(n->changes);
    group_peers_set_free(n->group_peers);
    peers_free(n->peers);
    keeper_deinit(&n->keeper);
    groups_free(n->groups);
    node_snapshot_free(n->snapshot);
    node_keys_deinit(&n->keys);
    settings_deinit(&n->settings);
    spans_free(n->spans);
    mem_free(n->self);
    mem_free(n);
}

void node_stop(struct node *n, int (*hurry)(void *arg), void *arg)
{
    log_info("node", "stopping", "requests=%u", node_servers_active(&n->servers));
    notify_stopping("stopping: %u requests are under way", node_servers_active(&n->servers));
    atomic_store(&n->stopping, 1);
    keeper_end(&n->keeper);
    if (control_leave(n->control, NODE_FAREWELL_MS, hurry,
                      arg) || /* load balancers look elsewhere meanwhile: */
        wait_a_while(n, for_ever, n->settings.drain_delay_ms, hurry, arg))
        n->settings.drain_timeout_ms = 0;
    node_servers_quiesce(&n->servers);
    drain(n, hurry, arg);
    node_stop_free(n);
    log_info("node", "stopped", "%s", "");
}
