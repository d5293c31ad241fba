/* SPDX-License-Identifier: MIT */
/* node_view.h - the parts of a node that have figures, for those who show them. */
#ifndef NODE_VIEW_H
#define NODE_VIEW_H

#include <stdint.h>

#include "http/server.h"
#include "node/figures.h"

struct control;
struct groups;
struct keeper;
struct keyers;
struct peers;
struct workers;
struct workers_stats;

/* All borrowed. */
struct node_view {
    const char *self;
    const char *admin;        /* the operators' address */
    uint64_t started_wall_ms; /* since 1970 */
    uint64_t vm_bytes;        /* of each VM */
    struct workers *workers;
    struct keyers *keyers;
    struct control *control;
    struct groups *groups;
    struct peers *peers;
    struct keeper *keeper;
    struct server_stats http; /* of all servers */
    struct figures_node_stats whole;
};

/* Any thread: of the crew, with the retiring, stuck and replaced VMs of the keyers. */
void node_view_workers(const struct node_view *v, struct workers_stats *out);

/* Any thread. */
void node_view_memory(const struct node_view *v, struct figures_memory_stats *out);

#endif
