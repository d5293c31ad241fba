/* SPDX-License-Identifier: MIT */
/* greet.h - tells a node that joins the list of changes that it may have missed.
 *
 * While no node had it in its list, nobody told it of changes. It may have run all the time, with
 * old values. So it is told of what was changed here since then, and it is sent no loads before it
 * has confirmed. If more was changed than the group remembers (cache/changelog.h), the group is
 * flushed there. A new node is empty, so it loses nothing by that.
 *
 * Any thread. */
#ifndef GREET_H
#define GREET_H

#include <stdint.h>

struct greet_list;
struct group;
struct groups;
struct peer;
struct peers;

struct greet_list *greet_list_new(struct peers *(*peers_of)(const struct group *g));

/* The network thread has stopped. NULL is fine. */
void greet_list_free(struct greet_list *gs);

/* A peer that waits (peer_in.h) has joined the list; it was in none since `since_ms`, of
 * clock_ms(). It is admitted once it has confirmed, or at once if there is nothing to tell. */
void greet(struct greet_list *gs, struct groups *groups, struct peer *peer, uint64_t since_ms);

/* To be called a few times a second, by one thread: tells those again that could not be reached. */
void greet_tick(struct greet_list *gs, uint64_t now_ms);

#endif
