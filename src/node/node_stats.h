/* SPDX-License-Identifier: MIT */
/* node_stats.h - a node's figures as JSON. */
#ifndef NODE_STATS_H
#define NODE_STATS_H

#include "node/node_view.h"

struct buf;

/* Appends one JSON object and a newline. Any thread. */
void node_stats_put(const struct node_view *v, struct buf *out);

#endif
