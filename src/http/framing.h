/* SPDX-License-Identifier: MIT */
/* framing.h - where a request ends, from one look at each of its headers.
 *
 * libmicrohttpd would let requests through whose end two servers could see in different places, so
 * their headers are checked here: one Host, clean names and values, and of a body either one
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

    /* Seen on the way; most requests have neither, and need no second look. */
    int from;        /* 1: HEADER_FROM is there */
    int conditional; /* 1: If-None-Match or Range is */
};

/* 0 when the request is to be refused, and its connection ended: what follows could be read as a
 * second request. */
int framing_read(struct MHD_Connection *c, const char *version, struct framing *out);

#endif
