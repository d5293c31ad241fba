/* SPDX-License-Identifier: MIT */
/* group_hand.h - values that nodes hand to each other, when one joins or leaves.
 *
 * Such a value is never older than a change of its key here: the log of recent changes (changed.h)
 * must go back to the time at which it was loaded, and lack the key. Any thread. */
#ifndef GROUP_HAND_H
#define GROUP_HAND_H

#include <stddef.h>
#include <stdint.h>

#include "cache/item.h"

struct flight;
struct group;
struct key_ref;

/* A value at another node; borrowed. */
struct group_handed {
    const char *bytes;
    size_t n;
    int has_ttl; /* 0: it does not expire */
    uint64_t ttl_ms, age_s;
    const char *extra; /* that extra_check() takes */
    size_t extra_len;
};

/* Ends a local flight with a value that another node holds, and takes the loader's reference. 0:
 * the value is of no use, the flight goes on, and the reference stays. */
int group_hand_finish(struct flight *f, const struct group_handed *v);

/* Keeps a value that another node gives away, unless the key has one here. 1: it is kept. */
int group_hand_keep(struct group *g, const struct key_ref *k, const struct group_handed *v);

/* The live items of the main cache that were used last, the last one first: references to at most
 * `max` items in out. Returns their number. */
size_t group_hand_list(struct group *g, size_t max, struct item **out);

/* Describes an item that is live. 0: it is not live. */
int group_hand_of(const struct item *it, struct group_handed *out);

#endif
