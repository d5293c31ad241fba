/* SPDX-License-Identifier: MIT */
/* group_seen.h - what an operator may ask of a group: its most popular keys, what it noted of its
 * last loads, and what it holds of one key. Any thread. */
#ifndef GROUP_SEEN_H
#define GROUP_SEEN_H

#include <stdint.h>

#include "cache/group.h"
#include "cache/popular.h"
#include "cache/recent.h"

struct group_seen {
    struct popular_key popular[POPULAR_KEYS]; /* the most popular first */
    double rates[POPULAR_KEYS];               /* gets a minute of each */
    struct recent_load failed[RECENT_LOADS];  /* the last first */
    struct recent_load slow[RECENT_LOADS];    /* the slowest first */
    size_t n_popular, n_failed, n_slow;
};

void group_seen(struct group *g, uint64_t now_ms, struct group_seen *out);

/* What a group holds of a key. */
struct group_seen_key {
    const char *held; /* "main", "hot"; "negative": it is kept that there is no value; "stale";
                       * NULL: nothing */
    uint64_t value_bytes, cost_bytes, age_s;
    uint64_t expires_in_ms; /* 0: never, or it has expired */
    int loading;            /* 1: a load of the key is under way */
    uint64_t waiters;       /* its callers */
};

/* The get is not counted, and nothing is loaded. */
void group_seen_key(struct group *g, const struct key_ref *k, uint64_t now_ms,
                    struct group_seen_key *out);

/* For the owner of a node, a few times a second: how many gets stand for one that is noted follows
 * the gets of the last second. */
void group_seen_tick(struct group *g, uint64_t now_ms);

#endif
