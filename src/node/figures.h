/* SPDX-License-Identifier: MIT */
/* figures.h - what a node says of itself in numbers: each is written once, and /stats and /metrics
 * follow.
 *
 * A figure is a field of a struct that a floor below fills in. A further figure takes a line in the
 * list of its struct; counters of STATS_COUNTERS and TALLY_COUNTERS take none. */
#ifndef FIGURES_H
#define FIGURES_H

#include <stddef.h>
#include <stdint.h>

enum figure_kind {
    FIGURE_COUNTER, /* only grows; uint64_t, size_t or unsigned, like the next two */
    FIGURE_GAUGE,   /* of this moment */
    FIGURE_FLAG,    /* 0 or 1, or an int */
    FIGURE_RATIO,   /* uint64_t, in millionths */
    FIGURE_TEXT,    /* const char *, NULL: absent; never in /metrics */
    FIGURE_TIMES    /* struct histogram */
};

struct figure {
    const char *name;   /* in /stats; NULL: not there */
    const char *metric; /* in /metrics, without "groupcache_" and "_total"; NULL: not there */
    const char *label;  /* of this line of the metric, such as state="stuck"; NULL: none */
    enum figure_kind kind;
    size_t at, size; /* of the field */
    const char *help;
};

/* The figures of a struct. Lines of one metric follow each other. */
struct figures {
    const struct figure *list;
    size_t n;
};

extern const struct figures figures_group;      /* struct stats */
extern const struct figures figures_cache;      /* struct lru_stats: main, hot */
extern const struct figures figures_peer;       /* struct peer_stats */
extern const struct figures figures_workers;    /* struct workers_stats */
extern const struct figures figures_http;       /* struct server_stats */
extern const struct figures figures_background; /* struct background_stats */
extern const struct figures figures_shared;     /* struct lru_stats: a shared table */
extern const struct figures figures_memory;     /* struct figures_memory_stats */
extern const struct figures figures_whole;      /* struct figures_node_stats */

/* The memory of the process, and what it is meant to be at most, in bytes. */
struct figures_memory_stats {
    uint64_t resident_bytes;
    uint64_t cache_budget_bytes; /* cache_bytes of all groups together */
    uint64_t vm_budget_bytes;    /* vm_bytes of all VMs together */
};

/* The rest. */
struct figures_node_stats {
    int ready;
    uint64_t uptime_ms;
    uint64_t unconfirmed;               /* changes_unconfirmed() */
    uint64_t spans_sent, spans_dropped; /* spans_counts() */
    const char *dialect, *hash;         /* the settings, like the next */
    uint64_t replicas;
};

/* The resident memory of this process in bytes; 0: unknown. Any thread. */
uint64_t figures_resident_bytes(void);

/* The figure of a struct that has it. Not of FIGURE_TEXT and FIGURE_TIMES. */
uint64_t figures_number(const struct figure *f, const void *of);

/* The others. */
const char *figures_text(const struct figure *f, const void *of);
const struct histogram *figures_times(const struct figure *f, const void *of);

#endif
