/* SPDX-License-Identifier: MIT */
/* node_snapshot.h - the snapshot of a node: written now and then and at the end, read at the start.
 *
 * It also owns the journal, in which the node's own changes outlive its process.
 * docs/design/snapshot.md says why a value that was removed does not come back. The node's thread
 * calls all functions. */
#ifndef NODE_SNAPSHOT_H
#define NODE_SNAPSHOT_H

#include <stdint.h>

#include "base/err.h"

struct buf;
struct group;
struct groups;
struct loader;
struct node_snapshot;
struct peers;

struct node_snapshot_opts {
    const char *path;    /* borrowed, as is the next; NULL: no snapshot, and no journal */
    const char *dialect; /* its name */
    uint64_t every_ms;   /* 0: only at the end */
    uint64_t max_age_ms; /* an older snapshot is not read */
    struct peers *(*peers_of)(const struct group *g);
    void (*put_peers)(void *ctx, struct buf *out); /* appends the node's list of peers: URLs, each
                                                    * ended by a line end */
    void *ctx;
};

/* NULL and e: another node has the path, or its folder cannot be written. */
struct node_snapshot *node_snapshot_open(const struct node_snapshot_opts *o, struct error *e);

/* Whether node_snapshot_open() could open it; nothing is left behind. */
enum err node_snapshot_check(const char *path, struct error *e);

/* With a path: the groups of that loader note their changes in the journal. */
void node_snapshot_note_changes(struct node_snapshot *s, struct loader *l);

/* The node's list of peers as of the last snapshot, as a C string in an empty buffer. A node whose
 * list comes from a source would not know whom to ask before it serves. 0: there is none. */
int node_snapshot_last_peers(struct node_snapshot *s, struct buf *out);

/* Before the node serves, and once its peers can connect: reads the file, if it is there. Blocks
 * for some seconds at most. What is wrong with the file is logged. */
void node_snapshot_read(struct node_snapshot *s, struct groups *groups);

/* Starts the thread that writes. Borrows groups until node_snapshot_end(). */
enum err node_snapshot_start(struct node_snapshot *s, struct groups *groups, struct error *e);

/* Ends the thread, and writes for the last time if it was started. clean: 0 if a stuck thread is
 * left that may still change a group. NULL is fine. */
void node_snapshot_end(struct node_snapshot *s, int clean);

void node_snapshot_free(struct node_snapshot *s); /* NULL is fine */

#endif
