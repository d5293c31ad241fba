/* SPDX-License-Identifier: MIT */
#include "net/net_lane.h"

#include <sys/epoll.h>

#include "base/clock.h"
#include "net/sockets.h"

enum {
    HOST_SHARE = 4, /* an origin may have so great a part of the free connections, */
    HOST_LEAST = 4  /* and so many at least */
};

static int on_timer(CURLM *multi, long ms, void *arg)
{
    struct lane *lane = arg;

    (void)multi;
    if (ms < 0)
        lane->due_ns = NET_LANE_NEVER;
    else
        lane->due_ns = ms ? clock_real_ns() + (uint64_t)ms * 1000000u : 0;
    return 0;
}

static int on_socket(CURL *curl, curl_socket_t fd, int what, void *arg, void *unused)
{
    struct lane *lane = arg;
    unsigned events = 0;

    (void)curl;
    (void)unused;
    if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
        events |= EPOLLIN;
    if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
        events |= EPOLLOUT;
    return sockets_want(lane->sockets, fd, events, (unsigned char)lane->place);
}

int net_lane_open(struct lane *l)
{
    CURLM *m = l->multi;

    if (m)
        return 1;
    m = l->multi = curl_multi_init();
    if (!m)
        return 0;
    l->host = l->most_to_host;
    curl_multi_setopt(m, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(m, CURLMOPT_SOCKETDATA, l);
    curl_multi_setopt(m, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(m, CURLMOPT_TIMERDATA, l);
    curl_multi_setopt(m, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    curl_multi_setopt(m, CURLMOPT_MAXCONNECTS, (long)l->most);
    curl_multi_setopt(m, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)l->most);
    curl_multi_setopt(m, CURLMOPT_MAX_HOST_CONNECTIONS, (long)l->host);
    return 1;
}

void net_lane_act(struct lane *l, curl_socket_t fd, int events)
{
    int running;

    if (!l->multi || l->broken)
        return;
    l->new = 0;
    l->broken = curl_multi_socket_action(l->multi, fd, events, &running);
}

void net_lane_run_timer(struct lane *l)
{
    if (l->due_ns == NET_LANE_NEVER || (l->due_ns && l->due_ns > clock_real_ns()))
        return;
    l->due_ns = NET_LANE_NEVER; /* libcurl sets it again if it has more to wait for */
    net_lane_act(l, CURL_SOCKET_TIMEOUT, 0);
}

void net_lane_bound_hosts(struct lane *l)
{
    unsigned free = l->most - (l->busy < l->most ? l->busy : l->most);
    unsigned host = free / HOST_SHARE > HOST_LEAST ? free / HOST_SHARE : HOST_LEAST;

    host = host < l->most_to_host ? host : l->most_to_host;
    if (l->place != NET_ORIGINS || !l->multi || host == l->host)
        return;
    l->host = host;
    curl_multi_setopt(l->multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)host);
}
