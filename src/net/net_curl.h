/* SPDX-License-Identifier: MIT */
/* net_curl.h - what net.c and fetch.c share about the CURLM; nobody else includes it.
 *
 * net.c owns the CURLM, its sockets and the pool of easy handles; fetch.c owns what an exchange
 * asks for and how its end is read. All of it belongs to the network thread but net_ref() and
 * net_unref(). */
#ifndef NET_CURL_H
#define NET_CURL_H

#include <curl/curl.h>

#include "base/err.h"
#include "base/list.h"
#include "base/timers.h"

#if LIBCURL_VERSION_NUM < 0x075700
#error "libcurl 7.87 or newer is needed (Debian 12, Ubuntu 24.04)"
#endif

struct net;
struct transfer;

/* An easy handle and what stays with it from one exchange to the next. */
struct easy {
    struct list link; /* in the pool */
    CURL *curl;
    struct transfer *transfer;  /* whose it is at present */
    int fresh;                  /* has libcurl's own settings: nothing of ours is set yet */
    char text[CURL_ERROR_SIZE]; /* libcurl's words about its last failure */
};

/* What the CURLM is working on. Embedded in a fetch. */
struct transfer {
    struct list link;
    struct timer timer;
    struct net *net; /* borrowed; set by net_add() */
    struct easy *easy;

    /* Called once, when the CURLM has let go of the handle, outside libcurl. `why` is NULL when
     * the transfer ended by itself, with `code`; else the network thread ended it: TIMEOUT when
     * its time was over, CLOSED, or PEER when the CURLM failed. */
    void (*ended)(struct transfer *t, CURLcode code, const struct error *why);
};

/* Any thread. What holds a reference may call net_post(), which is refused once it has stopped. */
void net_ref(struct net *n);
void net_unref(struct net *n);

/* True from net_stop() on: nothing may be added. */
int net_stopping(struct net *n);

/* A handle, pooled or fresh; NULL without memory. */
struct easy *net_easy_get(struct net *n);

/* Takes it back; NULL is fine. `plain` says that the next exchange overwrites all that this one
 * has set; otherwise the handle is reset and comes back fresh. */
void net_easy_put(struct net *n, struct easy *ez, int plain);

/* Hands t to the CURLM, for timeout_ms of real time at most, waiting for a free connection
 * included. On failure t->ended is not called. */
enum err net_add(struct net *n, struct transfer *t, uint64_t timeout_ms, struct error *e);

/* Takes t back in mid-flight; t->ended is not called. */
void net_remove(struct net *n, struct transfer *t);

/* CURLOPT_OPENSOCKETFUNCTION and CURLOPT_CLOSESOCKETFUNCTION of every handle, n their data: by
 * them the thread knows which descriptors are connections and when they go. */
curl_socket_t net_open_socket(void *n, curlsocktype purpose, struct curl_sockaddr *addr);
int net_close_socket(void *n, curl_socket_t fd);

#endif
