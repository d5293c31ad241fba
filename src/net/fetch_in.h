/* SPDX-License-Identifier: MIT */
/* fetch_in.h - what the files of an exchange share; for net/fetch*.c only. */
#ifndef FETCH_IN_H
#define FETCH_IN_H

#include <stdatomic.h>

#include "base/inbox.h"
#include "net/fetch.h"
#include "net/head.h"
#include "net/net_curl.h"

struct decoder;
struct passport;

/* How libcurl is told of the exchange. */
enum fetch_kind { KIND_GET, KIND_HEAD, KIND_BODY };

enum { FETCH_LISTED = 24 };

struct fetch_listed {
    const char *name, *value;
};

struct fetch {
    atomic_uint refs;
    atomic_int ended;     /* done is about to run, or has */
    atomic_int cancelled; /* a cancellation is on its way, or was */
    struct net *net;      /* a reference */
    struct msg begin, cancel;
    size_t (*data)(void *ctx, const char *bytes, size_t n);
    void (*begun)(void *ctx, struct fetch *f);
    void (*heard)(void *ctx, struct fetch *f);
    void (*done)(void *ctx, struct fetch *f);
    void *ctx;
    enum net_lane lane;

    /* set before the start */
    enum fetch_kind kind;
    const char *url, *method, *ca_file; /* in the fetch; method is NULL if kind says it */
    const char *host;                   /* in url, host_len bytes, with the port */
    int host_len;
    const void *send;
    size_t send_len;
    struct curl_slist *headers;
    long connect_ms, timeout_ms;
    long name_s; /* how long addresses of a name are kept */
    size_t max_bytes;
    int decode;
    int any_coding;
    int wants_interim;
    int insecure;
    const char *proxy;                /* in the fetch, like the next two; NULL: none */
    const char *cert_file, *key_file; /* of the client, for https */
    int identity;                     /* 1: with the present passport */
    const char *reach;                /* in the fetch; as in fetch_opts */
    int repeatable;                   /* the other side may carry the request out twice */
    const char *data_flaw;            /* a literal */
    const char *echo;                 /* "Name: value", or NULL */
    size_t echo_name;                 /* bytes of its name and the colon; 0: there is none */

    /* the network thread's */
    struct transfer transfer;
    char text[CURL_ERROR_SIZE]; /* libcurl's words about a failure */
    unsigned sent;              /* how often the request was about to go out */
    struct passport *passport;  /* a reference, or NULL */
    int distrusted;             /* certificates made it fail */
    int stale;                  /* the kept connection was unusable */
    int no_socket;              /* this node had no descriptor for a connection */
    int unreached;              /* no connection, and the other side is to blame */
    struct head head;           /* of the answer */
    const char *flaw;           /* why we gave the answer up, or NULL */
    struct decoder *decoder;    /* NULL until there is a body to decode */
    struct buf body;
    struct buf interim;  /* if wanted: the text of fetch_interim() */
    size_t interim_from; /* where its last answer begins */
    int interim_full;    /* 1: there is no room for more of it */
    enum fetch_phase phase;
    int status;
    struct error error;

    /* for whoever looks at the answer, fetch_header.c */
    int is_listed; /* 0: not yet; 1: all headers are; 2: the first FETCH_LISTED are */
    size_t n_listed;
    struct fetch_listed listed[FETCH_LISTED]; /* n_listed of them are set */
};

/* Any thread: checks the options and copies them into a new fetch; nothing else is set. NULL and e:
 * INVAL, NOMEM. */
struct fetch *fetch_copy_opts(const struct fetch_opts *o, struct error *e);

/* fetch_interim.c: a sound line of the head. `part` is the one that it began in. */
void fetch_interim_line(struct fetch *f, enum head_part part, const char *line, size_t n);

/* --- fetch_judge.c: the outcome, on the network thread --- */

/* Sets the outcome of a transfer that libcurl ended with `code`, or that the network thread ended.
 */
void fetch_judge(struct fetch *f, CURLcode code);
void fetch_judge_ended(struct fetch *f, const struct error *why);

/* Sets a failure, and drops what has arrived. */
void fetch_judge_fail(struct fetch *f, enum err code, enum fetch_phase phase, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* Whether the request had a connection to go out on: FETCH_NO_ANSWER, else FETCH_NOT_SENT. */
enum fetch_phase fetch_judge_phase(const struct fetch *f);

#endif
