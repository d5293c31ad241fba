/* SPDX-License-Identifier: MIT */
/* agree.h - whether the nodes of a cluster have the same ring.
 *
 * The owner of a key follows from the dialect, the hash, the replicas and the list of peers; where
 * peers ask, from base_path. Nodes that differ in one of these load keys more than once. So each
 * request to a peer has a short text of all of them (outline.h). A node whose own text is another
 * adds its own to the answer. Thus both sides know. A difference that lasts longer than a change of
 * the list is logged once on each side, and is in /stats.
 *
 * Any thread. */
#ifndef AGREE_H
#define AGREE_H

#include <stdatomic.h>
#include <stdint.h>

#include "peer/outline.h"

struct peer;
struct peers;

enum {
    AGREE_LINE = OUTLINE_TEXT + 24, /* room for a header line with it */
    AGREE_STRANGER = 200,           /* for the URL of a node that is not in the list */
    AGREE_PATIENCE_MS = 5000        /* longer than a change of the list on all nodes takes */
};

enum agree_state { AGREE_UNKNOWN, AGREE_SAME, AGREE_DIFFERS };

/* What another node says of its ring. */
struct agree {
    _Atomic enum agree_state
        state;               /* atomic; written under peers.agree_mu, which guards the rest */
    uint64_t since_ms;       /* AGREE_DIFFERS: since then */
    int told;                /* 1: the log has told of it */
    unsigned lists;          /* 1: in the list; 2 while the list changes: view_listed() */
    char text[OUTLINE_TEXT]; /* AGREE_DIFFERS: the other node's text */
};

/* Writes the header line of a request to a peer. */
void agree_put(struct peers *p, char line[AGREE_LINE]);

/* A node with that URL (NULL: it does not say) and that text has asked here. Returns 1 if the text
 * differs from ours, which is in `own` then, for the answer. */
int agree_asked(struct peers *p, const char *from, const char *text, char own[OUTLINE_TEXT]);

/* A peer that is a node of ours has answered: with its text, or NULL if that is the same as ours.
 */
void agree_answered(struct peer *peer, const char *text);

#endif
