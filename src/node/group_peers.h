/* SPDX-License-Identifier: MIT */
/* group_peers.h - the peers of each group of a node: the node's, or a list of its own.
 *
 * A group_peers is the context of a group's loader. It lives as long as the set, so a load under
 * way still finds it when a reload removes its group. One thread at a time makes and changes them
 * (keeper.h has the lock); any thread may look at them.
 *
 * A list of a group's own is a text here: URLs, each ended by a line end; "" is this node alone,
 * NULL the node's list. "@" and the name of a source: group_peers_keep() sets the list later. */
#ifndef GROUP_PEERS_H
#define GROUP_PEERS_H

#include "base/err.h"

struct group;
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

/* Replaces the list, as peers_set() does. The group's name is for messages. If the list has a
 * source and had one, it stays; if it had none, this node is alone. */
enum err group_peers_replace(struct group_peers *p, const char *group, const char *urls,
                             struct error *e);

/* Replaces a list that has a source. INVAL: it has none, or as peers_set() says. */
enum err group_peers_keep(struct group_peers *p, const char *group, const char *urls,
                          struct error *e);
int group_peers_has_source(const struct group_peers *p);

/* peers_set() with a text. */
enum err group_peers_put(struct peers *peers, const char *urls, struct error *e);

/* Says what group_peers_replace() would, and changes nothing. */
enum err group_peers_check(const struct group_peers_set *ps, const char *group, const char *urls,
                           struct error *e);

/* Any thread: the peers that own the group's keys, and the group's own peers, or NULL. */
struct peers *group_peers_of(const struct group_peers *p);
struct peers *group_peers_of_group(const struct group *g); /* of a node */
struct peers *group_peers_own(const struct group_peers *p);
void *group_peers_ctx(const struct group_peers *p);

#endif
