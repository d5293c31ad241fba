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
    int content_type, cache_control; /* 1: it has that header */
    const char *etag;                /* NULL: none */
};

/* Reads the extras of an item that has some. */
void answer_own_read(const struct item *it, struct answer_own *out);

/* Adds the headers of the item. */
void answer_own_add(struct MHD_Response *r, const struct item *it);

#endif
