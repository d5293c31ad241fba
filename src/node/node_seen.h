/* SPDX-License-Identifier: MIT */
/* node_seen.h - what the page of operators asks for beside the figures, as JSON. Any thread. */
#ifndef NODE_SEEN_H
#define NODE_SEEN_H

#include "cache/group.h"
#include "node/node_view.h"

struct buf;

/* /recent: of each group the most popular keys, the slow loads and the failed loads of the last
 * minutes. Of a long key its first bytes. */
void node_seen_put_recent(const struct node_view *v, struct buf *out);

/* /explain: what this node knows of a key, whose it is, and what it holds. */
void node_seen_put_key(const struct node_view *v, const char *group, size_t group_len,
                       const char *key, size_t key_len, struct buf *out);

#endif
