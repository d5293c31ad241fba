/* SPDX-License-Identifier: MIT */
/* web.h - a request to a group that is an HTTP cache (RFC 9111): what it asks for, whether a kept
 * message may answer it, and the text in which it travels to the getter.
 *
 * The text has a line "METHOD ID" and a line "name: value" for each header that may be passed on.
 * The id tells the request from all others. Pure functions, any thread. */
#ifndef WEB_H
#define WEB_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "wire/httpmsg.h"

enum { WEB_UNSET = -1, WEB_ID_HEX = 16 };

struct web {
    struct buf text;                             /* owned */
    size_t headers;                              /* where the first header begins in it */
    uint64_t id;                                 /* of the request */
    int64_t max_age_s, min_fresh_s, max_stale_s; /* WEB_UNSET: not asked for */
    char *connection;                            /* owned: what Connection names, or NULL */
    unsigned takes_interim : 1;                  /* its client understands interim answers */
    unsigned get : 1;                            /* GET or HEAD */
    unsigned head : 1;                           /* HEAD */
    unsigned no_cache : 1, no_store : 1, only_if_cached : 1; /* in its Cache-Control */
    unsigned pragma : 1;                                     /* Pragma: no-cache */
    unsigned control : 1;                                    /* there is a Cache-Control */
    unsigned unclean : 1;      /* a header has a control byte; it was left out */
    unsigned forwarded : 1;    /* a header of the client that proxies set, but X-Forwarded-For */
    unsigned keyed : 1;        /* it has the header of web_key() */
    unsigned conditional : 1;  /* If-None-Match or If-Modified-Since */
    unsigned ranged : 1;       /* Range */
    unsigned precondition : 1; /* If-Match or If-Unmodified-Since: for the origin alone */
};

/* Begins a request. id: a random number. */
void web_init(struct web *w, const char *method, uint64_t id);
void web_deinit(struct web *w);

/* Before web_take(): a Connection of the request, which names further headers that end here. */
void web_connection(struct web *w, const char *value, size_t n);

/* A header, in their order. Those that end here (RFC 9110, 7.6.1) are left out. */
void web_take(struct web *w, const char *name, size_t name_len, const char *value, size_t n);

/* All headers were taken. If the group does not `obey` requests, their Cache-Control is nothing. */
void web_end(struct web *w, int obey);

/* After web_end(), of a client's request. Origins make links and redirects of what X-Forwarded-Host
 * and its like say, and hardly any names them in Vary. So requests with other values are other
 * variants: they get a header with a digest of these, which is for our nodes alone. */
void web_key(struct web *w);

/* The text in one line of a header, and back. web_read() replaces web_init() to web_end(); it
 * returns 0 if the line is no such text. */
void web_put(const struct web *w, struct buf *out);
size_t web_line_size(const struct web *w); /* how many bytes web_put() appends */
int web_read(struct web *w, const char *line, int obey);

/* The first header of that name, in lower case; NULL: there is none. */
const char *web_header(const struct web *w, const char *name, size_t *n);

/* Whether fn holds for a header of that name. */
int web_any(const struct web *w, const char *name,
            int (*fn)(void *ctx, const char *value, size_t n), void *ctx);

/* Whether the headers that the message's Vary names are the same (RFC 9111, 4.1), and that of
 * web_key(). */
int web_selects(const struct web *w, const struct httpmsg *m);

/* Appends what tells this request's variant from the others at the URL of m; to be appended to the
 * key. */
void web_put_variant(const struct web *w, const struct httpmsg *m, struct buf *key);

enum web_use {
    WEB_USE,         /* the message answers */
    WEB_USE_REFRESH, /* it answers, and is to be loaded in the background */
    WEB_LOAD,        /* it must be checked with the origin */
    WEB_NOTHING      /* the same, and the request does not want that */
};

/* Whether a message with the selecting headers of the request may answer it. left_ms:
 * httpmsg_left_ms(). m may be NULL: there is none. */
enum web_use web_judge(const struct web *w, const struct httpmsg *m, int64_t left_ms);

/* Whether a stale message may answer when the origin has given no answer (RFC 9111, 4.2.4). */
int web_may_stand_in(const struct web *w, const struct httpmsg *m, int64_t left_ms);

#endif
