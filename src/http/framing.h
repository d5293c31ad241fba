/* SPDX-License-Identifier: MIT */
/* framing.h - where a request ends, from one look at each of its headers.
 *
 * libmicrohttpd would let requests through whose end two servers could see in different places, so
 * their headers are checked here: one Host, names that are tokens, values without line ends, no
 * folded line, and of a body either one
 * Content-Length or one "Transfer-Encoding: chunked". */
#ifndef FRAMING_H
#define FRAMING_H

#include <stdint.h>

struct MHD_Connection;

struct framing {
    int body;        /* 1: there is one */
    int chunked;     /* 1: and its length is not said. libmicrohttpd is lax about what stands
                      * between chunks, so such a request has to be the last of its connection */
    uint64_t length; /* of a body that is not chunked */

    /* Seen on the way; most requests have none of them, and need no second look. */
    int from;        /* 1: HEADER_FROM is there */
    int conditional; /* 1: If-None-Match, If-Match or Range is */
    int encoded;     /* 1: Content-Encoding is, with something else than identity */
    int partial;     /* 1: Content-Range is */
    int expects;     /* 1: Expect is, with something else than 100-continue */
};

/* MHD_OPTION_STRICT_FOR_CLIENT. 0.9 answers twice to what it refuses by itself, or not at all. */
int framing_strictness(void);

/* 0 when the request is to be refused, and its connection ended: what follows could be read as a
 * second request. */
int framing_read(struct MHD_Connection *c, const char *method, const char *version,
                 struct framing *out);

#endif
