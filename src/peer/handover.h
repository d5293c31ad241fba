/* SPDX-License-Identifier: MIT */
/* handover.h - loads that first ask another node whether it holds the value, before our getter.
 *
 * A node that has joined owns keys that other nodes have loaded. For a minute it asks the former
 * owner of a key for what it holds, without a load there, and for 10 ms at most. After that our
 * getter loads the key as ever. A peer may also ask us for a key of another owner, while lists
 * change. Then we ask that owner in the same way, for a minute after our list has changed. */
#ifndef HANDOVER_H
#define HANDOVER_H

#include <stddef.h>

struct flight;
struct list;
struct peer;
struct peers;

enum { HANDOVER_MS = 10 };

/* Any thread: the node to ask before a local load, a reference, or NULL. A load of a key that has a
 * live value here asks nobody: others have the same one. */
struct peer *handover_from(struct peers *p, const struct flight *f);

/* Network thread: asks for all flights on the list (flight.queued), of one group. Takes the
 * flights' references, borrows the peer. Those without a value are given to the group's local
 * loader, with flight.asked set. */
void handover_ask(struct peer *peer, struct list *flights, size_t n);

#endif
