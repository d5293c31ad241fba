/* SPDX-License-Identifier: MIT */
/* net_curl.h - what net.c and fetch.c share about the CURLM; nobody else includes it.
 *
 * net.c owns the CURLMs and their sockets; fetch.c owns the easy handle of one exchange, its
 * options and its outcome. All of it belongs to the network thread, except net_ref() and
 * net_unref(). */
#ifndef NET_CURL_H
#define NET_CURL_H

#include <curl/curl.h>
#include <stdint.h>

#include "base/err.h"
#include "base/list.h"
#include "base/timers.h"
#include "net/lane.h"

#if LIBCURL_VERSION_NUM < 0x075700
#error "libcurl 7.87 or newer is needed (Debian 12, Ubuntu 24.04)"
#endif

struct lane;
struct net;
struct passport;
struct transfer;

/* One handle in the CURLM. Embedded in a fetch. */
struct transfer {
    struct list link;
    struct timer timer;
    struct net *net; /* borrowed; set by net_add(), like lane */
    struct lane *lane;
    CURL *curl;         /* the fetch's; made for this exchange alone */
    struct timer nudge; /* while a connection is being made for it */
    uint64_t nudge_ms;
    int busy;        /* it has a connection */
    uint64_t due_ms; /* real time by which it must end; set by net_add() */

    /* Called once for each net_add() and net_add_again() that succeeded, outside libcurl, after the
     * handle was removed from the CURLM. `why` is NULL if the transfer ended by itself, with
     * `code`. Else the network thread ended it: TIMEOUT, CLOSED, or PEER if the CURLM failed. */
    void (*ended)(struct transfer *t, CURLcode code, const struct error *why);
};

/* Any thread. With a reference net_post() may be called; after the stop it refuses. */
void net_ref(struct net *n);
void net_unref(struct net *n);

/* Whether libcurl trusts a file of certificates unless told otherwise. After net_start(). */
int net_trusts_file(void);

/* True from net_stop() on: nothing may be added. */
int net_stopping(struct net *n);

/* A reference to the present passport, or NULL: there was no net_show(). */
struct passport *net_passport(struct net *n);

/* Adds t to the lane's CURLM, for at most timeout_ms of real time, with the wait for a free
 * connection. On failure t->ended is not called. */
enum err net_add(struct net *n, enum net_lane lane, struct transfer *t, uint64_t timeout_ms,
                 struct error *e);

/* The same for a transfer that has ended, from its ended function, for the rest of its time. */
enum err net_add_again(struct transfer *t, struct error *e);

/* A connection is being made for t, for at most connect_ms; any number of times. From
 * CURLOPT_OPENSOCKETFUNCTION. Until net_connected() libcurl is made to look at t now and then.
 * libcurl 7.88 does not watch the sockets itself. Without this it may wait too long after an
 * address refuses or uses up its half of the time. */
void net_connecting(struct net *n, struct transfer *t, uint64_t connect_ms);
void net_connected(struct transfer *t);

/* Removes t before its end; t->ended is not called. */
void net_remove(struct net *n, struct transfer *t);

/* Closes every idle connection on which unexpected bytes or the other side's end have arrived.
 * Returns whether it closed any. From CURLOPT_PREREQFUNCTION, since libcurl would take such bytes
 * for the answer to its next request. */
int net_drop_speakers(struct net *n);

/* For CURLOPT_OPENSOCKETFUNCTION, and CURLOPT_CLOSESOCKETFUNCTION with n as data, of every handle:
 * by them the thread knows which descriptors are connections. */
curl_socket_t net_open_socket(struct net *n, const struct curl_sockaddr *addr);
int net_close_socket(void *n, curl_socket_t fd);

#endif
