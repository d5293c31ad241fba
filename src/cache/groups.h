/* SPDX-License-Identifier: MIT */
/* groups.h - a node's groups, by name, and the tables that its VMs share.
 *
 * Any thread may search, one thread (the node's) changes. A search returns a reference of its own,
 * so a group may be removed while requests still use it. */
#ifndef GROUPS_H
#define GROUPS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct group;
struct groups;
struct shared;

struct groups *groups_new(void);
void groups_free(struct groups *gs); /* drops its references; NULL is fine */

/* Takes a reference to g. 0 when there is a group of that name already (g is untouched). */
int groups_add(struct groups *gs, struct group *g);

/* Removes the group of that name and returns its reference, or NULL. */
struct group *groups_remove(struct groups *gs, const char *name);

/* A reference to the group of that name, or NULL. */
struct group *groups_find(struct groups *gs, const char *name, size_t name_len);

/* Calls fn for each group of this moment, in the order in which they were added, with no lock held.
 */
void groups_each(struct groups *gs, void (*fn)(void *arg, struct group *g), void *arg);

/* Those that have nothing to do are looked at once in so many ticks; so many groups in each. */
enum { GROUPS_TICKS = 40, GROUPS_SLICE = 64 };

/* Every 50 ms, by one thread: group_tick_all() for each group that has something to do, and for
 * some of the others. Returns how many it looked at. No lock is held meanwhile. */
size_t groups_tick(struct groups *gs, uint64_t now_ms);

enum { GROUPS_MAX_SHARED = 64 };

/* The shared table of that name, made if there is none; `bytes` is its bound then. Borrowed, as
 * long as the groups. NULL and e: BUSY, there are GROUPS_MAX_SHARED of them. */
struct shared *groups_shared(struct groups *gs, const char *name, uint64_t bytes, struct error *e);

/* Calls fn for each shared table of this moment, with no lock held. */
void groups_each_shared(struct groups *gs, void (*fn)(void *arg, struct shared *s), void *arg);

#endif
