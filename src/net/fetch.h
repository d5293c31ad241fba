/* SPDX-License-Identifier: MIT */
/* fetch.h - one HTTP exchange as a client, on the network thread.
 *
 * A fetch is started from any thread and ends exactly once, by its done function, which runs on the
 * network thread with no lock held. A fetch follows no redirect, and uses a proxy only if it is
 * given one. It adds only the headers Host and Content-Length of the body, and reads at most
 * max_bytes of body. */
#ifndef FETCH_H
#define FETCH_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "net/lane.h"

struct fetch;
struct net;

/* How far a failed exchange had come. The caller decides by it whether to try elsewhere, or to
 * blame the other side. */
enum fetch_phase {
    FETCH_ANSWERED,  /* a whole HTTP answer came: status is set */
    FETCH_NOT_SENT,  /* no connection: refused, unknown host, connect timeout, our own limit */
    FETCH_NO_ANSWER, /* connected, then the connection ended or the answer was broken or too big */
    FETCH_TIMED_OUT  /* connected, and the time expired */
};

struct fetch_opts {
    enum net_lane lane;         /* whose connections it uses */
    const char *method;         /* NULL: "GET" */
    const char *url;            /* http:// or https://; the path is sent unchanged */
    const char *const *headers; /* "Name: value" lines without control bytes; never Content-Length
                                 * or Transfer-Encoding */
    size_t n_headers;
    const void *body; /* NULL: no body. HEAD takes no body */
    size_t body_len;
    uint64_t connect_timeout_ms; /* 0: 1000 */
    uint64_t name_ms;    /* addresses of the host that were found longer ago are looked up anew, in
                          * whole seconds, rounded down; 0: after a minute */
    uint64_t timeout_ms; /* of the exchange, with the wait for a connection; 0: 5000 */
    size_t max_bytes;    /* of the answer's body; 0: 8 MiB */
    const char *ca_file; /* NULL: the system's; PEM file for https */
    int decode; /* 1: a body with a Content-Encoding is decoded, to at most max_bytes; one that
                 * decoder.h does not know is a failure. Not together with data below */
    const char *proxy; /* NULL: none; never that of the environment. Else "http://host:port", with
                        * "user:password@" before the host if it asks for that. https goes through
                        * it by CONNECT. Not together with reach below: it would judge the address
                        * of the proxy */
    const char *cert_file; /* NULL, or PEM files of the client's certificate and its key, read for
                            * each new https connection. Not together with identity below */
    const char *key_file;
    int any_coding;    /* 1: a body with a Transfer-Encoding that nobody asked for, and that is not
                        * chunked, ends with the connection (RFC 9112, 6.3), and is given as it came.
                        * 0: such an answer is a failure */
    int interim;       /* 1: interim answers are kept, for fetch_interim() */
    int insecure;      /* 1: https without verifying the other side */
    int identity;      /* 1: https with the identity of net_show(), if there is one. A ca_file goes
                        * before its CA */
    const char *reach; /* NULL: every address. Else public ones, and those in this list of networks,
                        * as networks_parse() takes it: others fail with PEER, before a connection,
                        * and again before the request on a kept one */

    /* 1: the other side may carry the request out twice, like a GET or a PUT. Else the request is
     * sent once, and fails with PEER if its connection ends before an answer. */
    int repeatable;

    /* NULL, or a "Name: value" line. An answer with this header and another value belongs to
     * another request: the exchange fails. */
    const char *echo;

    int here; /* 1: the caller is the network thread, outside of libcurl, such as in a message of
               * its inbox: the exchange begins at once */

    /* NULL, or called when more of the body of a 200 arrives, on the network thread, inside
     * libcurl. It gets the bytes that it has not taken yet, and returns how many it takes.
     * FETCH_NO_MORE gives the exchange up, which fails with PEER and `flaw`. max_bytes bounds the
     * bytes not taken; at the end fetch_body() holds them. */
    size_t (*data)(void *ctx, const char *bytes, size_t n);
    const char *flaw; /* a literal */

    /* NULL, or called once on the network thread, before anything else is called for the exchange,
     * outside of libcurl. f is valid until done returns. */
    void (*begun)(void *ctx, struct fetch *f);

    /* NULL, or called when the head of the answer has arrived, on the network thread, inside
     * libcurl. f is borrowed, for fetch_header(). */
    void (*heard)(void *ctx, struct fetch *f);

    /* Called exactly once, on the network thread. f is borrowed, for the functions below. */
    void (*done)(void *ctx, struct fetch *f);
    void *ctx;
};

#define FETCH_NO_MORE SIZE_MAX

/* Copies everything in o. Returns a reference, or NULL and fills e: then done is not called. INVAL:
 * a URL of another scheme, a header with a line end; NOMEM; CLOSED: the network thread is stopping.
 * done may be called before this returns. */
struct fetch *fetch_start(struct net *n, const struct fetch_opts *o, struct error *e);

/* Any thread: the network thread ends the exchange soon, with CLOSED. Nothing happens if it has
 * ended. */
void fetch_cancel(struct fetch *f);

void fetch_unref(struct fetch *f); /* NULL is fine */

/* --- in done(), on the network thread --- */

/* ERR_OK if an answer came, whatever its status; else PEER, TIMEOUT, TOOBIG, NOMEM, CLOSED, or
 * INVAL (the host or port in the URL makes no sense). The message names the URL's host, what
 * happened and the limit. */
const struct error *fetch_error(const struct fetch *f);
enum fetch_phase fetch_phase(const struct fetch *f);
int fetch_status(const struct fetch *f);

/* 1: the other side cannot be reached: it refuses, its name has no address, or no connection was
 * made within connect_timeout_ms. 0 for what lies with this node, such as a lack of descriptors or
 * of free connections. */
int fetch_unreached(const struct fetch *f);

/* Whether any of the request may have been sent, over any connection. On the network thread, also
 * before done(). */
int fetch_was_sent(const struct fetch *f);

/* Whether the exchange failed since one side does not believe the other's certificate, or ours
 * cannot be used: a matter of configuration, which no repetition mends. */
int fetch_is_distrusted(const struct fetch *f);

/* The body, never NULL; the fetch's own buffer, which the caller may buf_take(). If no whole answer
 * came, it is empty, and there is no status and no header. */
struct buf *fetch_body(struct fetch *f);

/* With fetch_opts.interim: the interim answers (1xx, but 100) before the answer. Of each there is a
 * line "103", lines "name: value", and between two an empty line. Those that come when 4 KiB are
 * kept are left out. Borrowed until done returns. */
const struct buf *fetch_interim(const struct fetch *f);

/* Whether the body was decoded: then the answer's Content-Encoding and Content-Length do not
 * describe it. */
int fetch_decoded(const struct fetch *f);

/* The value of the first header of that name (any case), borrowed until done returns, or NULL. */
const char *fetch_header(struct fetch *f, const char *name);

/* Calls fn for each header of the final answer, in order. */
void fetch_header_each(struct fetch *f, void (*fn)(void *arg, const char *name, const char *value),
                       void *arg);

#endif
