/* SPDX-License-Identifier: MIT */
#include "node/figures.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cache/stats.h"
#include "http/server.h"
#include "node/workers.h"
#include "peer/peers.h"
#include "script/background.h"

#define FIELD(type, name) offsetof(struct type, name), sizeof(((struct type *)0)->name)
#define FIGURES(list)                                                                              \
    {                                                                                              \
        list, sizeof(list) / sizeof((list)[0])                                                     \
    }

/* Nearly all: the metric has the name of the field, with `front` before it. */
#define COUNTER(type, name, front, help)                                                           \
    {                                                                                              \
#name, front #name, NULL, FIGURE_COUNTER, FIELD(type, name), help                          \
    }
#define GAUGE(type, name, front, help)                                                             \
    {                                                                                              \
#name, front #name, NULL, FIGURE_GAUGE, FIELD(type, name), help                            \
    }
#define FLAG(type, name, front, help)                                                              \
    {                                                                                              \
#name, front #name, NULL, FIGURE_FLAG, FIELD(type, name), help                             \
    }

/* A metric of several lines: `label` tells them apart. */
#define LINE(kind, type, name, metric, label, help)                                                \
    {                                                                                              \
#name, metric, label, kind, FIELD(type, name), help                                        \
    }

#define LOAD_HELP "how long the loads took, by who gave the value; failed loads, too"

/* The exporters of Go's groupcache and of its forks say hits. The metric of a counter is the second
 * word of its EXPORTERS_ macro if there is one, else its name. */
#define EXPORTERS_cache_hits -, "hits"
#define SECOND(first, second, ...) second
#define SECOND_OF(...) SECOND(__VA_ARGS__, -)
#define GROUP_METRIC(name) SECOND_OF(EXPORTERS_##name, #name)

static const struct figure of_group[] = {
#define X(name, help) LINE(FIGURE_COUNTER, stats, name, GROUP_METRIC(name), NULL, help),
    STATS_COUNTERS(X)
#undef X
        GAUGE(stats, flights, "", "loads under way now, queued ones included"),
    FLAG(stats, breaker_open, "", "1: the breaker is open, since the source fails"),
    GAUGE(stats, waiters, "", "callers that wait for loads now"),
    GAUGE(stats, remembered_items, "", "items that readers remember now"),
    GAUGE(stats, remembered_bytes, "", "bytes of items that readers remember now"),
    GAUGE(stats, flushed_bytes, "", "bytes that a flush removed and that are not freed yet"),
    LINE(FIGURE_GAUGE, stats, cache_bytes, "cache_limit_bytes", NULL, "the option cache_bytes"),
    LINE(FIGURE_TIMES, stats, getter_times, "load_duration_seconds", "source=\"local\"", LOAD_HELP),
    LINE(FIGURE_TIMES, stats, peer_times, "load_duration_seconds", "source=\"peer\"", LOAD_HELP),
    LINE(FIGURE_TIMES, stats, wait_times, "wait_duration_seconds", NULL,
         "how long local loads waited until their getter began"),
};

static const struct figure of_cache[] = {
    GAUGE(lru_stats, bytes, "cache_", "bytes in the cache, with overhead and index"),
    GAUGE(lru_stats, items, "cache_", "items in the cache"),
    COUNTER(lru_stats, gets, "cache_", "lookups in the cache, two for a miss"),
    COUNTER(lru_stats, hits, "cache_", "lookups that found a value"),
    COUNTER(lru_stats, evictions, "cache_", "items that were removed to make room"),
};

/* /stats has the name of the state. */
#define PEER_STATE(which, word)                                                                    \
    {                                                                                              \
        NULL, "peer_state", "state=\"" word "\"", FIGURE_FLAG,                                     \
            offsetof(struct peer_stats, is_in[which]), sizeof(int),                                \
            "1: the peer is in this state of health"                                               \
    }

static const struct figure of_peer[] = {
    LINE(FIGURE_TEXT, peer_stats, url, NULL, NULL, NULL),
    FLAG(peer_stats, self, "peer_", "1: the peer is this node"),
    COUNTER(peer_stats, loads, "peer_node_", "answers of the peer that were used"),
    COUNTER(peer_stats, errors, "peer_node_", "exchanges that failed, and useless answers"),
    COUNTER(peer_stats, batches, "peer_node_", "exchanges for several keys"),
    FLAG(peer_stats, ours, "peer_", "1: the peer has shown to be a node of this program"),
    LINE(FIGURE_TEXT, peer_stats, state, NULL, NULL, NULL),
    PEER_STATE(HEALTH_FINE, "fine"),
    PEER_STATE(HEALTH_SUSPECT, "suspect"),
    PEER_STATE(HEALTH_EJECTED, "ejected"),
    PEER_STATE(HEALTH_PROBING, "probing"),
    LINE(FIGURE_FLAG, peer_stats, up, "peer_up", NULL, "1: loads are sent to the peer"),
    LINE(FIGURE_RATIO, peer_stats, share, "peer_ring_ratio", NULL,
         "the part of all keys that the peer owns"),
    COUNTER(peer_stats, ejections, "peer_node_", "how often the peer was taken out of use"),
    COUNTER(peer_stats, hedges, "peer_node_", "loads that were sent to the next owner, too"),
    LINE(FIGURE_TEXT, peer_stats, view, NULL, NULL, NULL),
    LINE(FIGURE_TEXT, peer_stats, differs, NULL, NULL, NULL),
    {NULL, "peer_disagrees", NULL, FIGURE_FLAG, FIELD(peer_stats, disagrees),
     "1: the ring of the peer, as it says, differs from ours"},
};

#define VMS_HELP "VMs for getters: serving, of an earlier script, abandoned in a C function"

static const struct figure of_workers[] = {
    LINE(FIGURE_GAUGE, workers_stats, vms, "worker_vms", "state=\"serving\"", VMS_HELP),
    LINE(FIGURE_GAUGE, workers_stats, retiring, "worker_vms", "state=\"retiring\"", VMS_HELP),
    LINE(FIGURE_GAUGE, workers_stats, stuck, "worker_vms", "state=\"stuck\"", VMS_HELP),
    GAUGE(workers_stats, loads, "worker_", "loads that the VMs have now"),
    GAUGE(workers_stats, queued, "worker_", "of these, loads that no VM has begun"),
    COUNTER(workers_stats, replaced, "worker_", "VMs that were replaced"),
};

#define REQUEST_HELP "how long requests took until their answers were sent, by who asked"

static const struct figure of_http[] = {
    GAUGE(server_stats, connections, "", "connections now"),
    GAUGE(server_stats, active, "http_", "requests under way now"),
    GAUGE(server_stats, parked, "http_", "requests that wait for loads or changes now"),
    GAUGE(server_stats, body_bytes, "http_", "bytes of bodies, batches and lists now"),
    GAUGE(server_stats, held_bytes, "http_", "bytes of answers being sent, beside the caches"),
#define X(name, help) COUNTER(server_stats, name, "http_", help),
    TALLY_COUNTERS(X)
#undef X
        LINE(FIGURE_TIMES, server_stats, peer_times, "request_duration_seconds", "face=\"peers\"",
             REQUEST_HELP),
    LINE(FIGURE_TIMES, server_stats, client_times, "request_duration_seconds", "face=\"clients\"",
         REQUEST_HELP),
    LINE(FIGURE_TIMES, server_stats, operator_times, "request_duration_seconds",
         "face=\"operators\"", REQUEST_HELP),
};

static const struct figure of_background[] = {
    FLAG(background_stats, repeats, "background_", "1: the function is called again and again"),
    COUNTER(background_stats, runs, "background_", "calls of the function"),
    COUNTER(background_stats, errors, "background_", "calls that failed"),
    LINE(FIGURE_TEXT, background_stats, last_error, NULL, NULL, NULL),
    FLAG(background_stats, running, "background_", "1: a call is under way"),
    LINE(FIGURE_GAUGE, background_stats, running_ms, NULL, NULL, NULL),
};

static const struct figure of_shared[] = {
    GAUGE(lru_stats, bytes, "shared_", "bytes in the shared table, with overhead and index"),
    LINE(FIGURE_GAUGE, lru_stats, items, "shared_entries", NULL, "entries of the shared table"),
    COUNTER(lru_stats, evictions, "shared_", "entries that were removed to make room"),
};

#define BUDGET_HELP "the most that the caches and the heaps of all VMs may take together"

static const struct figure of_memory[] = {
    LINE(FIGURE_GAUGE, figures_memory_stats, resident_bytes, NULL, NULL, NULL),
    LINE(FIGURE_GAUGE, figures_memory_stats, cache_budget_bytes, "memory_budget_bytes",
         "part=\"caches\"", BUDGET_HELP),
    LINE(FIGURE_GAUGE, figures_memory_stats, vm_budget_bytes, "memory_budget_bytes", "part=\"vms\"",
         BUDGET_HELP),
};

static const struct figure of_whole[] = {
    FLAG(figures_node_stats, ready, "", "1: the node is ready, as /readyz says"),
    LINE(FIGURE_GAUGE, figures_node_stats, uptime_ms, NULL, NULL, NULL),
    LINE(FIGURE_TEXT, figures_node_stats, dialect, NULL, NULL, NULL),
    LINE(FIGURE_TEXT, figures_node_stats, hash, NULL, NULL, NULL),
    LINE(FIGURE_GAUGE, figures_node_stats, replicas, NULL, NULL, NULL),
    GAUGE(figures_node_stats, unconfirmed, "", "removals that nodes have not confirmed now"),
    COUNTER(figures_node_stats, spans_sent, "", "spans that the collector has taken"),
    COUNTER(figures_node_stats, spans_dropped, "", "spans that nobody took"),
};

const struct figures figures_group = FIGURES(of_group);
const struct figures figures_cache = FIGURES(of_cache);
const struct figures figures_peer = FIGURES(of_peer);
const struct figures figures_workers = FIGURES(of_workers);
const struct figures figures_http = FIGURES(of_http);
const struct figures figures_background = FIGURES(of_background);
const struct figures figures_shared = FIGURES(of_shared);
const struct figures figures_memory = FIGURES(of_memory);
const struct figures figures_whole = FIGURES(of_whole);

uint64_t figures_resident_bytes(void)
{
    unsigned long long pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");

    if (!f)
        return 0;
    if (fscanf(f, "%*u %llu", &pages) != 1)
        pages = 0;
    fclose(f);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

uint64_t figures_number(const struct figure *f, const void *of)
{
    const char *at = (const char *)of + f->at;
    uint64_t wide;
    unsigned narrow;

    if (f->size == sizeof(narrow)) {
        memcpy(&narrow, at, sizeof(narrow));
        return narrow;
    }
    memcpy(&wide, at, sizeof(wide));
    return wide;
}

const char *figures_text(const struct figure *f, const void *of)
{
    const char *text;

    memcpy(&text, (const char *)of + f->at, sizeof(const char *));
    return text;
}

const struct histogram *figures_times(const struct figure *f, const void *of)
{
    return (const struct histogram *)(const void *)((const char *)of + f->at);
}
