/* SPDX-License-Identifier: MIT */
/* node_metrics.h - a node's figures for Prometheus. */
#ifndef NODE_METRICS_H
#define NODE_METRICS_H

#include "node/node_view.h"

struct buf;

/* Appends the text of /metrics, in Prometheus' text format 0.0.4. Any thread.
 *
 * The value of a label is the name of a group, a peer or a function. It may have any bytes, and
 * Prometheus takes UTF-8 only. So a byte that is no part of UTF-8, a control byte and the percent
 * sign are %XX: no two names become one. */
void node_metrics_put(const struct node_view *v, struct buf *out);

/* Appends the targets for Prometheus' http_sd: the operators' address of each node of the list. It
 * is not known of other nodes. So it is taken for as far from the node's own port as it is here. */
void node_metrics_put_targets(const struct node_view *v, struct buf *out);

#endif
