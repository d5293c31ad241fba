/* SPDX-License-Identifier: MIT */
/* change.h - set, remove and flush for the whole cluster.
 *
 * A tag has values at many owners, so its removal is told as a flush is: each node twice.
 *
 * The owner of a key changes first. When it has confirmed, all others are told at once, this node
 * too. So no node can fetch the old value again from an owner that still has it. The others remove
 * the key, also for a set. A change ends when every node has confirmed or failed, at the latest at
 * the group's timeout; the owner has half of it. A node that did not confirm is told again in the
 * background to remove the keys.
 *
 * Any thread. */
#ifndef CHANGE_H
#define CHANGE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/key.h"
#include "wire/batch.h"

struct address;
struct changes;
struct group;
struct groups;
struct peer;
struct peers;

/* X(type, name): the settings of a node that its changes are made with (node/settings.h). */
#define CHANGES_SETTINGS(X)                                                                        \
    X(const char *, peer_changes) /* whose changes are taken, as in senders.h */

struct changes_opts {
#define X(type, name) type name;
    CHANGES_SETTINGS(X)
#undef X
};

/* How a change ended. */
struct change_result {
    struct error err; /* ERR_OK: every node has confirmed. PEER: those below did not. TOOBIG, NOMEM:
                       * the value cannot be kept, and the key was removed. NOMEM also: no memory
                       * for the keys; CLOSED: the group is closed. With these two nothing has
                       * changed, unless the node stopped half-way */
    const char *const *unconfirmed; /* URLs of the nodes that did not confirm */
    size_t n_unconfirmed;
};

struct change_opts {
    struct group *group; /* borrowed for the call */
    enum batch_op op;    /* BATCH_SET, BATCH_REMOVE or BATCH_FLUSH */
    int tags;            /* 1: a BATCH_REMOVE whose keys stand for tags (cache/tags.h) */
    const struct key *keys;
    size_t n_keys; /* 1 for a set, 0 for a flush, at most BATCH_MAX_KEYS */
    const void *value;
    size_t value_len;
    char **owned;         /* where the caller has the value's memory, of mem_alloc(): the change may
                           * take it, and leaves NULL. NULL: the value is copied */
    const double *ttl_ms; /* of a set; NULL for the group's own; 0 or less removes */
    const void *extra;    /* of a set: the value's extras */
    size_t extra_len;

    /* Called exactly once, on any thread, perhaps before change_start() returns; r is borrowed. */
    void (*done)(void *ctx, const struct change_result *r);
    void *ctx;
};

/* peers_of() returns the peers of a group. It and these peers outlive the changes. NULL and e: a
 * setting is wrong. */
struct changes *changes_new(const struct changes_opts *o,
                            struct peers *(*peers_of)(const struct group *g), struct error *e);

/* Returns the error of changes_new(), and makes nothing. */
enum err changes_check(const struct changes_opts *o, struct error *e);

/* The network thread has stopped, so no change is under way. NULL is fine. */
void changes_free(struct changes *cs);

/* Starts a change. Copies everything. When the group is closed, done is called at once and cs,
 * which may be freed by then, is not touched. */
void change_start(struct changes *cs, const struct change_opts *o);

/* Whether another node at that address (NULL: it has none) may change the group here. INVAL: no,
 * and e says why. */
enum err changes_check_sender(struct changes *cs, struct group *g, const struct address *from,
                              struct error *e);

/* A node that is not ours has changed a key here, in its dialect's way: it tells only the owner, or
 * each node by itself. If this node is the owner, it tells our other nodes in the background to
 * remove the key. Nodes that are not ours handle their copies themselves. */
void change_heard(struct changes *cs, struct group *g, const struct key *key);

/* To be called a few times a second, by one thread: tells unconfirmed nodes again. */
void changes_tick(struct changes *cs, uint64_t now_ms);

/* A peer has joined a list (peers.h): it is told of what was changed in these groups since then. */
void changes_greet(struct changes *cs, struct groups *groups, struct peer *peer, uint64_t since_ms);

/* Pairs of node and group with an unconfirmed removal, for /stats. */
size_t changes_unconfirmed(struct changes *cs);

#endif
