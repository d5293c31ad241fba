/* SPDX-License-Identifier: MIT */
/* rounds.h - how often a change is made, if nodes have different rings or change their lists
 * meanwhile, or if a node stands in for an owner.
 *
 * A round is both steps of a change (change.c). One is enough if all nodes have the same ring, and
 * had it since the round began. Else another round follows. After ROUNDS rounds in which no ring
 * has changed no node can have the old value (docs/design/changes.md has the argument). If a node
 * was asked in place of an owner since the round began, and the rings are the same, one more
 * suffices. Nodes that only others have in their lists are told in the next round, too.
 *
 * Any thread, except that only one begins rounds. */
#ifndef ROUNDS_H
#define ROUNDS_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

struct peer;
struct peers;
struct tell_ring;

enum {
    ROUNDS = 3,              /* that suffice if rings differ and stay as they are */
    ROUNDS_MAX_STRANGE = 100 /* nodes that our list lacks; more are not told */
};

struct rounds {
    struct peers *peers; /* set once, borrowed */
    unsigned round;      /* from 1 on; of the thread that begins rounds, like the next three */
    uint64_t began_ms[ROUNDS]; /* of this round, and of those before it */
    uint64_t began_real_ms;    /* of this round, in clock_real_ms() time */
    unsigned generation;       /* of our list, as this round began */
    int were_same;             /* in the round before no ring differed, by its answers */
    pthread_mutex_t mu;
    struct peer *differs;  /* has another ring, by its answer in this round: a reference. Guarded by
                            * mu, like all that follows */
    struct peer *young;    /* has the list that changed last: a reference */
    struct peer *stood_in; /* was asked in place of an owner since this round began: a reference */
    uint64_t young_ms;     /* when that list was changed, at the latest */
    struct peer **strange; /* nodes that our list lacks and another node has: references */
    size_t n_strange;
};

/* Begins the first round. */
void rounds_init(struct rounds *r, struct peers *peers);
void rounds_deinit(struct rounds *r);

void rounds_begin(struct rounds *r);

/* What a node has said of its ring, as it was told of the change. */
void rounds_heard(struct rounds *r, struct peer *peer, const struct tell_ring *ring);

/* Whether the round that has ended was the last. `alone`: no other node was told. `failed`: a node
 * has not confirmed, so the change promises nothing that a stand-in could break. */
int rounds_are_enough(struct rounds *r, int alone, int failed);

/* The nodes that our list lacks, with references, in a list that the caller frees. */
struct peer **rounds_strangers(struct rounds *r, size_t *n);

/* Whether our list lacks a node that cannot be reached: it has left, and no other node can ask it,
 * either. */
int rounds_has_left(struct rounds *r, const struct peer *peer);

/* A node for which another round would be needed: a reference, or NULL. No exchange is under way.
 */
struct peer *rounds_unsettled(struct rounds *r);

#endif
