/* SPDX-License-Identifier: MIT */
/* pickers.h - whom each group of a node asks: the node's peers, or a list of its own.
 *
 * A picker is the context of a group's loader. It lives as long as the set, so that a load under
 * way finds it when a reload takes its group away. One thread, the node's, makes and changes
 * pickers; any thread may look at them.
 *
 * A list of a group's own is a text here: URLs, each ended by a line end; "" is this node alone,
 * NULL the node's list. */
#ifndef PICKERS_H
#define PICKERS_H

#include "base/err.h"

struct peers;
struct picker;
struct pickers;

/* Borrows both: the node's peers, whose options hold for the lists of groups, too, and what
 * picker_ctx() gives. */
struct pickers *pickers_new(struct peers *common, void *ctx);
void pickers_free(struct pickers *ps); /* no load may be under way; NULL is fine */

/* Node's thread: one for a new group, which has the node's list. The set's. */
struct picker *pickers_take(struct pickers *ps);

/* Node's thread: its group is closed. Another group may get it. */
void pickers_give_back(struct pickers *ps, struct picker *p);

/* Node's thread: replaces the list, as peers_set() does. The group's name is for messages. */
enum err picker_set(struct picker *p, const char *group, const char *urls, struct error *e);

/* Says what picker_set() would, and changes nothing. */
enum err pickers_check(const struct pickers *ps, const char *group, const char *urls,
                       struct error *e);

/* Any thread: the peers that own the group's keys, and the group's own, NULL when it has none. */
struct peers *picker_peers(const struct picker *p);
struct peers *picker_own(const struct picker *p);
void *picker_ctx(const struct picker *p);

#endif
