/* SPDX-License-Identifier: MIT */
/* net_curl.h - what net.c and fetch.c share about the CURLM; nobody else includes it.
 *
 * net.c owns the CURLM and its sockets; fetch.c owns the easy handle of one exchange, what it asks
 * for and how its end is read. All of it belongs to the network thread but net_ref() and
 * net_unref(). */
#ifndef NET_CURL_H
#define NET_CURL_H

#include <curl/curl.h>
#include <stdint.h>

#include "base/err.h"
#include "base/list.h"
#include "base/timers.h"

#if LIBCURL_VERSION_NUM < 0x075700
#error "libcurl 7.87 or newer is needed (Debian 12, Ubuntu 24.04)"
#endif

struct net;
struct transfer;

/* What the CURLM is working on. Embedded in a fetch. */
struct transfer {
    struct list link;
    struct timer timer;
    struct net *net;    /* borrowed; set by net_add() */
    CURL *curl;         /* the fetch's; made for this exchange alone */
    struct timer nudge; /* while a connection is being made for it */
    uint64_t nudge_ms;
    uint64_t due_ms; /* real time at which it is given up; set by net_add() */

    /* Called once for each net_add() and net_add_again() that succeeded, when the CURLM has let go
     * of the handle, outside libcurl. `why` is NULL when the transfer ended by itself, with
     * `code`; else the network thread ended it: TIMEOUT when its time was over, CLOSED, or PEER
     * when the CURLM failed. */
    void (*ended)(struct transfer *t, CURLcode code, const struct error *why);
};

/* Any thread. What holds a reference may call net_post(), which is refused once it has stopped. */
void net_ref(struct net *n);
void net_unref(struct net *n);

/* True from net_stop() on: nothing may be added. */
int net_stopping(struct net *n);

/* Hands t to the CURLM, for timeout_ms of real time at most, waiting for a free connection
 * included. On failure t->ended is not called. */
enum err net_add(struct net *n, struct transfer *t, uint64_t timeout_ms, struct error *e);

/* The same for a transfer that has ended, from its ended function, for what is left of its time. */
enum err net_add_again(struct transfer *t, struct error *e);

/* A connection is being made for t, of connect_ms at most; any number of times. Until
 * net_connected() libcurl looks at t now and then: when one address refuses, or has had its half of
 * the time, libcurl tries the next only when something else happens (7.88, with sockets that it
 * does not watch itself). From CURLOPT_OPENSOCKETFUNCTION. */
void net_connecting(struct net *n, struct transfer *t, uint64_t connect_ms);
void net_connected(struct transfer *t);

/* Takes t back in mid-flight; t->ended is not called. */
void net_remove(struct net *n, struct transfer *t);

/* Closes every idle connection on which something has come: bytes that nobody asked for, or the
 * other side's end. Returns whether there was one. From CURLOPT_PREREQFUNCTION, since libcurl would
 * take such bytes for the answer to its next request. */
int net_drop_speakers(struct net *n);

/* For CURLOPT_OPENSOCKETFUNCTION, and CURLOPT_CLOSESOCKETFUNCTION with n as data, of every handle:
 * by them the thread knows which descriptors are connections. */
curl_socket_t net_open_socket(struct net *n, const struct curl_sockaddr *addr);
int net_close_socket(void *n, curl_socket_t fd);

#endif
