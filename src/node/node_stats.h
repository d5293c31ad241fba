/* SPDX-License-Identifier: MIT */
/* node_stats.h - a node's counters as JSON. */
#ifndef NODE_STATS_H
#define NODE_STATS_H

#include <stddef.h>
#include <stdint.h>

#include "http/server.h"

struct buf;
struct changes;
struct groups;
struct keeper;
struct peers;
struct control;
struct workers;

/* The parts of a node that have counters; all borrowed. */
struct node_view {
    const char *self;
    uint64_t uptime_ms;
    struct workers *workers;
    struct control *control;
    struct groups *groups;
    struct peers *peers;
    struct keeper *keeper;
    struct changes *changes;
    struct server_stats http; /* of all servers */
};

/* Appends one JSON object and a newline. Any thread. */
void node_stats_put(const struct node_view *v, struct buf *out);

#endif
