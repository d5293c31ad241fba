/* SPDX-License-Identifier: MIT */
/* group_peers.h - the peers of each group of a node: the node's, or a list of its own.
 *
 * A group_peers is the context of a group's loader. It lives as long as the set, so a load under
 * way still finds it when a reload removes its group. One thread, the node's, makes and changes
 * them; any thread may look at them.
 *
 * A list of a group's own is a text here: URLs, each ended by a line end; "" is this node alone,
 * NULL the node's list. */
#ifndef GROUP_PEERS_H
#define GROUP_PEERS_H

#include "base/err.h"

struct peers;
struct group_peers;
struct group_peers_set;

/* Borrows both: the node's peers, and the result of group_peers_ctx(). The options of the node's
 * peers hold for the lists of groups, too. */
struct group_peers_set *group_peers_set_new(struct peers *common, void *ctx);
void group_peers_set_free(struct group_peers_set *ps); /* no load may be under way; NULL is fine */

/* Node's thread: the context of a new group, with the node's list. The set owns it. */
struct group_peers *group_peers_take(struct group_peers_set *ps);

/* Node's thread: the group is closed. Another group may get p. */
void group_peers_give_back(struct group_peers_set *ps, struct group_peers *p);

/* Node's thread: replaces the list, as peers_set() does. The group's name is for messages. */
enum err group_peers_replace(struct group_peers *p, const char *group, const char *urls,
                             struct error *e);

/* Says what group_peers_replace() would, and changes nothing. */
enum err group_peers_check(const struct group_peers_set *ps, const char *group, const char *urls,
                           struct error *e);

/* Any thread: the peers that own the group's keys, and the group's own peers, or NULL. */
struct peers *group_peers_of(const struct group_peers *p);
struct peers *group_peers_own(const struct group_peers *p);
void *group_peers_ctx(const struct group_peers *p);

#endif
