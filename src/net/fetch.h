/* SPDX-License-Identifier: MIT */
/* fetch.h - one HTTP exchange as a client, on the network thread.
 *
 * A fetch is started from any thread and ends exactly once, by its done function, which runs on
 * the network thread with no lock held. A fetch follows no redirect, uses no proxy, sends nothing
 * of its own accord but Host and the body's Content-Length, and reads at most max_bytes of body. */
#ifndef FETCH_H
#define FETCH_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct fetch;
struct net;

/* How far an exchange that failed had come: a caller may only try elsewhere, or blame the other
 * side, when it knows this. */
enum fetch_phase {
    FETCH_ANSWERED,  /* an HTTP answer came whole: status is set */
    FETCH_NOT_SENT,  /* no connection: refused, unknown host, connect timeout, our own limit */
    FETCH_NO_ANSWER, /* connected, then the connection ended or the answer was broken or too big */
    FETCH_TIMED_OUT  /* connected, and the time was over */
};

struct fetch_opts {
    const char *method;         /* NULL: "GET" */
    const char *url;            /* http:// or https://, sent as it is: no path is tidied up */
    const char *const *headers; /* "Name: value" lines without control bytes; not the two that
                                 * say how long the body is, Content-Length and Transfer-Encoding */
    size_t n_headers;
    const void *body; /* NULL: none. HEAD takes none */
    size_t body_len;
    uint64_t connect_timeout_ms; /* 0: 1000 */
    uint64_t timeout_ms;         /* of all of it, waiting for a turn included; 0: 5000 */
    size_t max_bytes;            /* of the answer's body; 0: 8 MiB */
    const char *ca_file;         /* NULL: the system's; PEM file for https */
    int decode; /* 1: a body with Content-Encoding gzip or deflate is decoded, of at most max_bytes
                 * then, and one with another coding is a failure; not with data below */
    int insecure; /* 1: https without verifying the other side */

    /* 1: the other side may carry the request out twice, as it may a GET or a PUT. What may not be
     * repeated is sent once, and fails with PEER when its connection ends before an answer. */
    int repeatable;

    /* NULL, or a "Name: value" line: an answer that has this header with another value is one to
     * another request, and as good as none. */
    const char *echo;

    int here; /* 1: the caller is the network thread, outside of libcurl, as in a
               * message of its inbox: the exchange begins at once */

    /* NULL, or called whenever more of the body of a 200 has come, on the network thread, inside
     * libcurl: what has come and was not taken yet. Returns how many bytes it takes, or
     * FETCH_NO_MORE to give the exchange up, which then fails with PEER and `flaw`. max_bytes then
     * bounds what is not taken; fetch_body() holds the rest at the end. */
    size_t (*data)(void *ctx, const char *bytes, size_t n);
    const char *flaw; /* a literal */

    /* Called exactly once, on the network thread. f is borrowed: ask it what follows. */
    void (*done)(void *ctx, struct fetch *f);
    void *ctx;
};

#define FETCH_NO_MORE SIZE_MAX

/* Copies everything in o. Returns a reference, or NULL and fills e (INVAL: a URL of another scheme,
 * a header with a line end; NOMEM; CLOSED when the network thread is stopping): then done is not
 * called. done may be called before this returns. */
struct fetch *fetch_start(struct net *n, const struct fetch_opts *o, struct error *e);

/* Any thread: ends the exchange as soon as the network thread comes to it, with CLOSED. Nothing
 * happens when it has ended. */
void fetch_cancel(struct fetch *f);

void fetch_unref(struct fetch *f); /* NULL is fine */

/* --- in done(), on the network thread --- */

/* ERR_OK when an answer came, whatever its status; else PEER, TIMEOUT, TOOBIG, NOMEM, CLOSED, or
 * INVAL (the host or port in the URL makes no sense), with a message that names the URL's host,
 * what happened and the limit. */
const struct error *fetch_error(const struct fetch *f);
enum fetch_phase fetch_phase(const struct fetch *f);
int fetch_status(const struct fetch *f);

/* The body, never NULL; the fetch's own buffer, which the caller may buf_take(). Empty, and
 * without status and headers, when no answer came whole. */
struct buf *fetch_body(struct fetch *f);

/* Whether the body was decoded: the answer's Content-Encoding and Content-Length are about other
 * bytes then. */
int fetch_decoded(const struct fetch *f);

/* The value of the first header of that name (any case), borrowed until done returns, or NULL. */
const char *fetch_header(struct fetch *f, const char *name);

/* Calls fn for each header of the final answer, in order. */
void fetch_each_header(struct fetch *f, void (*fn)(void *arg, const char *name, const char *value),
                       void *arg);

#endif
