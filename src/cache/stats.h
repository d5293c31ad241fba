/* SPDX-License-Identifier: MIT */
/* stats.h - the counters of a group: Go's nine, by Go's meaning, and ours.
 *
 * X(name, meaning). The list is written once; /stats, docs/api.md and the specs follow it. */
#ifndef STATS_H
#define STATS_H

#include <stdint.h>

#include "base/histogram.h"
#include "cache/lru.h"

#define STATS_COUNTERS(X)                                                                          \
    X(gets, "gets, from peers too")                                                                \
    X(cache_hits, "gets answered from main or hot")                                                \
    X(peer_loads, "values that another node gave")                                                 \
    X(peer_errors, "loads for which another node could not be used, or took too long")             \
    X(loads, "gets less cache hits at the first look")                                             \
    X(loads_deduped, "loads that were begun, not joined")                                          \
    X(handed, "values that another node handed over, in place of our getter")                      \
    X(local_loads, "values that our getter gave")                                                  \
    X(local_load_errs, "loads that our getter failed, not found included")                         \
    X(server_requests, "gets that came from peers")                                                \
    X(hopeless, "loads that were refused, since they would not have ended in time")                \
    X(breaker_opens, "times that the breaker has opened, since the source failed")                 \
    X(breaker_refused, "loads that were refused while the breaker was open")                       \
    X(key_calls, "calls of the key function, each for a request of a client")                      \
    X(key_errors, "of these, calls that threw, took too long or returned what is no key")          \
    X(refreshes, "loads that were begun before the end of a value, see refresh_ahead")             \
    X(negative_hits, "gets answered with a NOTFOUND that was kept")                                \
    X(stale_hits, "gets answered with a value past its ttl")                                       \
    X(stale_spared, "of these, without a load, since the last load had failed")                    \
    X(expired, "items that were removed because they had expired")                                 \
    X(sets, "values put here by a set")                                                            \
    X(removes, "keys removed here, present or not")                                                \
    X(tag_removes, "of these, tags")                                                               \
    X(flushes, "times that everything was removed")

struct stats {
#define X(name, meaning) uint64_t name;
    STATS_COUNTERS(X)
#undef X
    uint64_t flights; /* loads under way now, queued ones included */
    uint64_t waiters; /* their waiters; a remote flight that fell back is one too */
    uint64_t remembered_items, remembered_bytes; /* items in slots of readers */
    uint64_t flushed_bytes;                      /* removed by a flush and not yet freed */
    uint64_t cache_bytes;                        /* the option */
    uint64_t breaker_open;                       /* 1: the breaker is open now */
    struct histogram getter_times;               /* of local loads, without the wait before them */
    struct histogram peer_times; /* of loads at peers, until the answer, or until given up */
    struct histogram wait_times; /* of local loads, until a VM began them */
    struct lru_stats main, hot;
};

#endif
