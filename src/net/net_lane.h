/* SPDX-License-Identifier: MIT */
/* net_lane.h - the CURLM of a lane (lane.h), for net.c only.
 *
 * libcurl counts connections by CURLM, so each lane has one. The network thread's. */
#ifndef NET_LANE_H
#define NET_LANE_H

#include <curl/curl.h>
#include <stdint.h>

#include "base/list.h"
#include "net/lane.h"

struct sockets;

/* In the place of a time: there is none. */
#define NET_LANE_NEVER UINT64_MAX

struct lane {
    enum net_lane place; /* set once, like all down to most_to_host */
    struct sockets *sockets;
    unsigned most, most_to_host; /* connections */
    CURLM *multi;                /* NULL before net_lane_open(), and if that has failed */
    CURLMcode broken;
    uint64_t due_ns; /* libcurl's next call, as clock_real_ns(); 0: at once */
    struct list transfers;
    unsigned busy; /* transfers with a connection, made or being made */
    unsigned host; /* the present bound on connections to one host */
    unsigned new;  /* transfers since libcurl's last turn */
};

/* Opens the CURLM if there is none. 0: there is none still. */
int net_lane_open(struct lane *l);

/* Has libcurl look at a descriptor, or at its timers for CURL_SOCKET_TIMEOUT. A failure is in
 * l->broken: all its transfers must end, and the CURLM must be made anew. */
void net_lane_act(struct lane *l, curl_socket_t fd, int events);

/* Calls libcurl if its time has come. */
void net_lane_run_timer(struct lane *l);

/* Bounds the connections to one host. The fewer connections are free, the fewer an origin may have.
 * So some origins that hang leave room for the others. */
void net_lane_bound_hosts(struct lane *l);

#endif
