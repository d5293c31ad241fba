/* SPDX-License-Identifier: MIT */
/* missed.h - the changes of a group that this node has missed while it did not run, as its peers
 * remember them (cache/changelog.h).
 *
 * A change reaches all nodes, so one witness is enough: a peer that has run all the time and has
 * forgotten nothing. The other peers' answers are added, since a change may be confirmed by some
 * nodes only. One thread, except where it is said. */
#ifndef MISSED_H
#define MISSED_H

#include <stdint.h>

#include "base/buf.h"

struct group;
struct missed;
struct peers;

/* Asks all peers of the group for the changes of the last age_ms. Each has wait_ms. */
struct missed *missed_ask(struct group *g, struct peers *peers, uint64_t age_ms, uint64_t wait_ms);

/* Waits for all answers, and frees. Appends the numbers of the changed keys to `names`, eight bytes
 * each. Returns the number of witnesses. */
unsigned missed_wait(struct missed *m, struct buf *names);

/* Whether the group has no other nodes: then nobody else has changed it. Any thread. */
int missed_is_alone(struct group *g, struct peers *peers);

#endif
