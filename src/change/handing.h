/* SPDX-License-Identifier: MIT */
/* handing.h - a node that stops hands its items to their next owners. */
#ifndef HANDING_H
#define HANDING_H

#include <stdint.h>

struct group;
struct groups;
struct peers;

enum {
    HANDING_ITEMS = 20000,  /* of a group, those used last */
    HANDING_KEYS = 500,     /* of one exchange */
    HANDING_BYTES = 1 << 20 /* of values in one exchange, or one value */
};

/* Hands over what it can until clock_ms() time until_ms, or until hurry(arg) says 1 (NULL: never).
 * Blocks; not the network thread. Returns how many items were sent and confirmed. */
uint64_t handing_over(struct groups *groups, struct peers *(*peers_of)(const struct group *g),
                      uint64_t until_ms, int (*hurry)(void *arg), void *arg);

#endif
