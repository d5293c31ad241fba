/* SPDX-License-Identifier: MIT */
/* node_groups.h - the groups of a node, as a script defines them. */
#ifndef NODE_GROUPS_H
#define NODE_GROUPS_H

#include <stddef.h>

#include "base/err.h"

struct defs;
struct group_peers_set;
struct groups;
struct loader;

/* Checks the groups' own lists of peers. Changes nothing. */
enum err node_groups_check(struct group_peers_set *peers, const struct defs *ds, struct error *e);

/* Adds new groups, and changes the others. A new group gets a copy of the loader, with its peers as
 * the context. */
enum err node_groups_set(struct groups *groups, struct group_peers_set *peers,
                         const struct loader *loader, const struct defs *ds, struct error *e);

/* Removes and closes the groups that the script does not define. Returns how many. */
size_t node_groups_remove(struct groups *groups, struct group_peers_set *peers,
                          const struct defs *ds);

#endif
