/* SPDX-License-Identifier: MIT */
/* retry.h - removals that nodes have not confirmed: they are told again until they confirm. Any
 * thread. */
#ifndef RETRY_H
#define RETRY_H

#include <stddef.h>
#include <stdint.h>

#include "wire/batch.h"

struct group;
struct keys;
struct peers;
struct retry_list;

/* peers_of() returns the peers of a group. If an owner has confirmed late, again() is called on the
 * network thread: other nodes may have fetched the old value from it. */
struct retry_list *retry_list_new(struct peers *(*peers_of)(const struct group *g),
                                  void (*again)(void *ctx, struct group *g, enum batch_op op,
                                                const struct keys *keys),
                                  void *ctx);

/* The network thread has stopped. */
void retry_list_free(struct retry_list *rs);

/* A removal to tell a node again; all borrowed. */
struct retry_what {
    struct group *group;
    const char *url;
    enum batch_op op; /* a set becomes a removal */
    const struct keys *keys;
    int owner; /* the node owns the keys */
};

void retry_add(struct retry_list *rs, const struct retry_what *what);

/* To be called a few times a second, by one thread: tells the nodes that are due. */
void retry_tick(struct retry_list *rs, uint64_t now_ms);

/* Pairs of node and group with an unconfirmed removal. */
size_t retry_count(struct retry_list *rs);

#endif
