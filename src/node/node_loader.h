/* SPDX-License-Identifier: MIT */
/* node_loader.h - how the groups of a node load: through its peers and its workers. */
#ifndef NODE_LOADER_H
#define NODE_LOADER_H

#include "cache/group.h"

struct changelog;

/* The functions of a loader; `log` as it has it. The ctx of each group is a group_peers whose own
 * context is the address of the node's `struct workers *`, which is set before any load. */
void node_loader_init(struct loader *l, struct changelog *log);

#endif
