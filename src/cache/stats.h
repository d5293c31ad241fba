/* SPDX-License-Identifier: MIT */
/* stats.h - the counters of a group: Go's nine, by Go's meaning.
 *
 * X(name, meaning). The list is written once; /stats, Lua's stats() and the specs read it. */
#ifndef STATS_H
#define STATS_H

#include <stdint.h>

#include "cache/lru.h"

#define STATS_COUNTERS(X)                                                                          \
    X(gets, "gets, from peers too")                                                                \
    X(cache_hits, "gets answered from main or hot")                                                \
    X(peer_loads, "values that another node gave")                                                 \
    X(peer_errors, "loads that another node failed")                                               \
    X(loads, "gets less cache hits at the first look")                                             \
    X(loads_deduped, "loads after those that joined one under way")                                \
    X(local_loads, "values that our getter gave")                                                  \
    X(local_load_errs, "loads that our getter failed, not found included")                         \
    X(server_requests, "gets that came from peers")

struct stats {
#define X(name, meaning) uint64_t name;
    STATS_COUNTERS(X)
#undef X
    uint64_t flights; /* loads under way now, waiting ones included */
    uint64_t waiters; /* callers that wait for them */
    uint64_t remembered_items, remembered_bytes; /* items that Lua programs hold on to */
    struct lru_stats main, hot;
};

#endif
