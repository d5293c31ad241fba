/* SPDX-License-Identifier: MIT */
/* change.h - set, remove and flush for the whole cluster.
 *
 * The owner of a key changes first; only when it has confirmed are all others told, at once, this
 * node among them: so nobody can fetch the old value again from an owner that still has it. The
 * others remove what they hold, for a set as well. A change ends when every node has confirmed or
 * failed, at the latest at the group's timeout, of which the owner has one half. A node that did
 * not confirm is told again to remove the keys, for as long as it could hold them, in the
 * background.
 *
 * Any thread. */
#ifndef CHANGE_H
#define CHANGE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/key.h"
#include "wire/batch.h"

struct changes;
struct group;
struct peers;

/* How a change ended. */
struct change_result {
    struct error err; /* ERR_OK: every node has confirmed. PEER: those below did not. TOOBIG, NOMEM:
                       * the value cannot be kept, and the key was removed. NOMEM also: there was
                       * none for the keys. CLOSED: the group is closed. In both nothing has
                       * changed, but that the node may have stopped half-way */
    const char *const *unconfirmed; /* URLs of the nodes that did not confirm */
    size_t n_unconfirmed;
};

struct change_opts {
    struct group *group; /* borrowed for the call */
    enum batch_op op;    /* BATCH_SET, BATCH_REMOVE or BATCH_FLUSH */
    const struct key *keys;
    size_t n_keys; /* 1 for a set, 0 for a flush, at most BATCH_MAX_KEYS */
    const void *value;
    size_t value_len;
    const double *ttl_ms; /* of a set; NULL for the group's own; 0 or less removes */

    /* Called exactly once, on any thread, perhaps before change_start() returns; r is borrowed. */
    void (*done)(void *ctx, const struct change_result *r);
    void *ctx;
};

/* peers_of() tells whom a group asks, and outlives it, as those peers do. */
struct changes *changes_new(struct peers *(*peers_of)(const struct group *g));

/* The network thread has stopped, which ended what was under way. NULL is fine. */
void changes_free(struct changes *cs);

/* Starts a change. Copies everything. When the group is closed, done says so at once and cs, which
 * may be gone by then, is not touched. */
void change_start(struct changes *cs, const struct change_opts *o);

/* A node that is not ours has changed a key here, by its dialect's way: it tells the owner alone,
 * or each node by itself. When this node owns the key, our other nodes are told to remove what they
 * hold, in the background; nodes that are not ours see to their copies themselves. */
void change_heard(struct changes *cs, struct group *g, const struct key *key);

/* To be called a few times a second, by one thread: tells those again who did not confirm. */
void changes_tick(struct changes *cs, uint64_t now_ms);

/* Nodes and groups for which a removal is not confirmed yet, for /stats. */
size_t changes_unconfirmed(struct changes *cs);

#endif
