/* SPDX-License-Identifier: MIT */
/* answer_own.h - the extras of a value (cache/extra.h) as a part of its answer to a client.
 *
 * HTTP threads only. */
#ifndef ANSWER_OWN_H
#define ANSWER_OWN_H

struct item;
struct MHD_Response;

/* What a value says of its answer; borrows the item. */
struct answer_own {
    int status;
    int content_type, cache_control, vary; /* 1: it has that header */
    const char *etag;                      /* NULL: none */
};

/* Reads the extras of an item that has some. */
void answer_own_read(const struct item *it, struct answer_own *out);

enum { ANSWER_OWN_ETAG = 256 };

/* The tag of a value in that coding: of a strong tag another one, since the bytes differ (RFC 9110,
 * 8.8.3.3). `room` may hold it. A tag that is too long becomes none: NULL. */
const char *answer_own_etag(const char *etag, const char *coding, char room[ANSWER_OWN_ETAG]);

/* Adds the headers of the item, with `etag` in place of its own tag if it has one. */
void answer_own_add(struct MHD_Response *r, const struct item *it, const char *etag);

#endif
