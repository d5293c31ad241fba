/* SPDX-License-Identifier: MIT */
/* early.h - fetches of what a get will read.
 *
 * With many keys an item and its place in the table are in no cache of the processor, so a get
 * waits for memory twice, one wait after the other. But its key is known once the first line of the
 * request is there: a microsecond before the look-up. So these reads begin then, and end while the
 * rest of the head is parsed.
 *
 * HTTP threads only, for the connection that is being handled. */
#ifndef EARLY_H
#define EARLY_H

#include <stddef.h>
#include <stdint.h>

#include "base/key.h"

struct group;
struct server;

/* Of a connection. All zero at first. */
struct early {
    struct group *group; /* a reference; NULL: it was taken, or the request is of another kind */
    uint32_t hash;       /* group_hash() of the last n bytes of the target */
    size_t n;            /* 0: not known */
};

/* The target of a request, which ends another one; n is 0 if it has a query. */
void early_target(struct early *e, const struct server *s, const char *target, size_t n);

/* The head of the request is there, and it will be served. */
void early_head(struct early *e);

/* The request has ended. */
void early_end(struct early *e);

/* The group of the request's target, a reference, once. NULL: it is not known yet. */
struct group *early_group(struct early *e);

/* The key of the request's target with its hash, which is known or computed. */
struct key_ref early_key(const struct early *e, const char *key, size_t n);

#endif
