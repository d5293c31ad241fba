/* SPDX-License-Identifier: MIT */
/* farewell.h - a node that stops hands its items to their next owners. */
#ifndef FAREWELL_H
#define FAREWELL_H

#include <stdint.h>

struct group;
struct groups;
struct peers;

enum {
    FAREWELL_ITEMS = 20000,  /* of a group, those used last */
    FAREWELL_BYTES = 1 << 20 /* of values in one exchange, or one value */
};

/* Hands over what it can until clock_ms() time until_ms, or until hurry(arg) says 1 (NULL: never).
 * Blocks; not the network thread. Returns how many items were sent and confirmed. */
uint64_t farewell(struct groups *groups, struct peers *(*peers_of)(const struct group *g),
                  uint64_t until_ms, int (*hurry)(void *arg), void *arg);

#endif
