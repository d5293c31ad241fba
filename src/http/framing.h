/* SPDX-License-Identifier: MIT */
/* framing.h - finds the end of a request by one look at each of its headers.
 *
 * libmicrohttpd accepts requests that two servers could end in different places. So headers are
 * checked here: one Host, names that are tokens, values without line ends, no folded line. A body
 * has either one Content-Length or one "Transfer-Encoding: chunked". */
#ifndef FRAMING_H
#define FRAMING_H

#include <stdint.h>

struct MHD_Connection;

struct framing {
    int body;    /* 1: there is one */
    int chunked; /* 1: and its length is not announced. libmicrohttpd is lax about the bytes between
                  * chunks, so such a request must be the last of its connection */
    uint64_t length; /* of a body that is not chunked */

    /* Found by the same look. Most requests lack all of these headers, and need no second look. */
    int from;        /* 1: HEADER_FROM is there */
    int conditional; /* 1: If-None-Match, If-Match or Range is */
    int encoded;     /* 1: Content-Encoding is, with something else than identity */
    int partial;     /* 1: Content-Range is */
    int expects;     /* 1: Expect is, with something else than 100-continue */
};

/* MHD_OPTION_STRICT_FOR_CLIENT. If 0.9 refuses a request by itself, it answers twice or not at all.
 */
int framing_strictness(void);

/* 0: the request must be refused and its connection ended, since the bytes behind it could be read
 * as a second request. */
int framing_read(struct MHD_Connection *c, const char *method, const char *version,
                 struct framing *out);

#endif
