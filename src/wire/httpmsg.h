/* SPDX-License-Identifier: MIT */
/* httpmsg.h - an answer of an origin as the value of a key, for groups that are HTTP caches.
 *
 * The value is a message of HTTP/1.1 (RFC 9112): a status line, header lines, an empty line, the
 * body. The first header lines are ours; lua/groupcache/http_cache/message.lua writes them:
 *
 *   HTTP/1.1 200 \r\n
 *   x-groupcache: life=60000 keep=3600000 swr=0 flags=- id=HEX epoch=HEX interim=TEXT\r\n
 *   x-groupcache-vary: accept-language:en\r\n     of the request that brought the answer
 *   x-groupcache-once: set-cookie: a=b\r\n        for that request alone
 *   content-type: text/html\r\n ...
 *
 * `interim` is there if interim answers (1xx) came before the answer: a text of lines,
 * percent-encoded. They are for that request alone, too. Of each there is a line "103", lines
 * "name: value", and between two an empty line.
 *
 * An item of such a value expires `keep` milliseconds after the answer is stale. Pure functions,
 * any thread; what they return points into the bytes that they were given. */
#ifndef HTTPMSG_H
#define HTTPMSG_H

#include <stddef.h>
#include <stdint.h>

#define HTTPMSG_REQUEST                                                                            \
    "x-groupcache-request" /* a request on its way to its getter, in one line                      \
                            */

enum {
    HTTPMSG_CHECK = 1,  /* 'C': it is checked with the origin before each use */
    HTTPMSG_STRICT = 2, /* 'R': it is never used stale */
    HTTPMSG_ONCE = 4    /* 'N': it is for the request alone that brought it */
};

struct httpmsg {
    int status;
    unsigned flags;
    uint64_t life_ms, keep_ms, swr_ms; /* swr: stale-while-revalidate */
    uint64_t sie_ms;                   /* stale-if-error; UINT64_MAX: the origin does not say */
    uint64_t id;                       /* of the request that brought it */
    uint64_t epoch;                    /* of the variants of its URL */
    const char *interim;               /* percent-encoded, interim_len bytes */
    size_t interim_len;                /* 0: there is none */
    const char *lines;                 /* all header lines behind x-groupcache */
    const char *body;
    size_t lines_len, body_len;
};

/* Reads a value. 0: it is no such message. */
int httpmsg_read(struct httpmsg *m, const char *bytes, size_t n);

enum httpmsg_kind { HTTPMSG_HEADER, HTTPMSG_VARY, HTTPMSG_FOR_ONE };

/* A header; of the lines x-groupcache-vary and -once: the header in their value. */
struct httpmsg_line {
    enum httpmsg_kind kind;
    const char *name, *value;
    size_t name_len, value_len;
};

/* The next line of m->lines; *at is NULL at first. 0: there is none. */
int httpmsg_next(const struct httpmsg *m, const char **at, struct httpmsg_line *out);

/* How long a message stays fresh from now on, below 0: how long it has been stale. expires_ms is
 * the item's, on the clock of now_ms. */
int64_t httpmsg_left_ms(const struct httpmsg *m, uint64_t expires_ms, uint64_t now_ms);

/* Its age (RFC 9111, 4.2.3) by what is left. */
uint64_t httpmsg_age_s(const struct httpmsg *m, int64_t left_ms);

#endif
