/* SPDX-License-Identifier: MIT */
/* framing.h - finds the end of a request by one look at each of its headers.
 *
 * libmicrohttpd accepts requests that two servers could end in different places. So headers are
 * checked here: one Host, names that are tokens, values without line ends, no folded line. A body
 * has either one Content-Length or one "Transfer-Encoding: chunked". */
#ifndef FRAMING_H
#define FRAMING_H

#include <stddef.h>
#include <stdint.h>

struct buf;
struct MHD_Connection;

struct framing {
    int body;    /* 1: there is one */
    int chunked; /* 1: and its length is not announced. libmicrohttpd is lax about the bytes between
                  * chunks, so such a request must be the last of its connection */
    uint64_t length; /* of a body that is not chunked */

    /* Found by the same look. Most requests lack all of these headers, and need no second look. */
    int from;         /* 1: HEADER_FROM is there */
    const char *view; /* HEADER_VIEW, as long as libmicrohttpd keeps the request; NULL: none */
    int stand_in;     /* 1: HEADER_STAND_IN is there */
    int conditional;  /* 1: If-None-Match, If-Match or Range is */
    int encoded;      /* 1: Content-Encoding is, with something else than identity */
    int partial;      /* 1: Content-Range is */
    int expects;      /* 1: Expect is, with something else than 100-continue */
    int is_1_1;       /* 1: the request is of HTTP/1.1 */
    size_t head;      /* bytes of the head; 0: not known */
    size_t cookie;    /* bytes of the longest Cookie */
    size_t line;      /* bytes of the longest header */
};

/* MHD_OPTION_STRICT_FOR_CLIENT. If 0.9 refuses a request by itself, it answers twice or not at all.
 */
int framing_strictness(void);

/* 0: the request must be refused and its connection ended, since the bytes behind it could be read
 * as a second request. */
int framing_read(struct MHD_Connection *c, const char *method, const char *version,
                 struct framing *out);

/* Whether the method ends where the spaces before the target begin, if libmicrohttpd reads a head
 * in place. Otherwise the client sent a NUL in it, and the C string is another method. */
int framing_is_whole(const char *method, const char *target);

/* Whether libmicrohttpd reads a head in place (0.9), so that it can be written out again. */
int framing_is_in_place(void);

/* Bytes of the head of the request that libmicrohttpd reads, or 0 if the head is not complete. 1.0
 * knows a size also for a head that it has refused, but it is 0. */
size_t framing_head_size(struct MHD_Connection *c);

/* Writes out the head that libmicrohttpd has read, byte for byte but for spaces in its first line:
 * `target` is without `query`, which may be NULL. `method` is that of the first call for the
 * request, NULL if there was none: then only a method that is served here is known. *end gets the
 * end of the head in memory. 0: the head cannot be read, since bytes were dropped or merged, or
 * memory ran out. For a complete head. */
int framing_copy(struct MHD_Connection *c, const char *method, const char *target,
                 const char *query, const char *version, struct buf *out, const char **end);

/* Whether the first line that libmicrohttpd has not taken for a header lacks a colon. For a head
 * that is not complete, of which at most `room` bytes can be looked at behind its version. */
int framing_lacks_colon(struct MHD_Connection *c, const char *version, size_t room);

#endif
