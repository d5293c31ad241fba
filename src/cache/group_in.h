/* SPDX-License-Identifier: MIT */
/* group_in.h - what the files of a group share; for cache/ only.
 *
 * group.c has its life, group_look.c the lookups and counters, group_keep.c what it holds,
 * group_hot.c which keys are hot, group_load.c the loads, group_change.c set, remove and flush. A
 * function whose name ends in _locked is called with the group's mutex held; it neither calls out
 * nor frees, but notes in a struct after (after.h) what is to be done once the mutex is dropped. */
#ifndef GROUP_IN_H
#define GROUP_IN_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "base/list.h"
#include "cache/flight.h"
#include "cache/group.h"
#include "cache/lru.h"
#include "cache/sketch.h"
#include "cache/stats.h"

struct after;
struct text;

struct group {
    char *name;             /* set once */
    _Atomic uint64_t epoch; /* atomic; 1 and the flushes so far; written under mu */
    _Atomic(struct text *) content_type,
        pass_headers;      /* atomic; one thread, the node's, changes them */
    struct text *texts;    /* that thread's: all of them, newest first */
    atomic_int local_only; /* atomic: opts.local_only, to be seen without the mutex */
    struct loader loader;  /* set once; not called once closed is 1 */
    atomic_int measured;   /* atomic: there is a sketch, to be seen without the mutex */
    atomic_int closed;     /* atomic; set under mu */
    _Atomic unsigned refs; /* atomic */

    pthread_mutex_t mu;
    struct group_opts opts;                /* guarded by mu, like all that follows */
    struct lru *main, *hot;                /* two caches, one bound */
    struct list readers;                   /* reader.link */
    struct list flushed;                   /* items by item.order, to be freed bit by bit */
    struct flights *flights[FLIGHT_KINDS]; /* [enum flight_kind] */
    struct list queue;                     /* flight.queued: local flights that wait their turn */
    uint64_t running;                      /* local flights handed to the loader, not yet ended */
    uint64_t waiters;
    uint64_t random;
    struct sketch *sketch; /* gets by key; NULL unless opts.hot is HOT_RATE */
    uint64_t swept_ms;     /* until when the sweep for items whose time is over has come */
    struct stats stats;
};

/* --- group.c --- */

/* The node's thread: the texts of group_configure(). */
void group_set_texts(struct group *g, const char *content_type, const char *pass_headers);

/* Hands opts.eviction to both caches. */
void group_set_eviction_locked(struct group *g);

/* --- group_look.c --- */

/* Counts a get and looks for its value; borrowed. */
struct item *group_look_locked(struct group *g, uint32_t hash, const void *key, size_t key_len,
                               enum source *source, struct after *a);

/* --- group_keep.c --- */

/* What a group has of a key; all borrowed. */
struct found {
    struct item *live;     /* a value within its time */
    enum source source;    /* of live */
    struct item *negative; /* within its time: there is no such value */
    struct item *stale;    /* a value past its time that may still be of use */
};

/* Looks into main, then hot; counts in their counters and moves what is found to the front. Items
 * that are of no more use are taken out. */
void group_keep_find_locked(struct group *g, uint32_t hash, const void *key, size_t key_len,
                            struct found *out, struct after *a);

/* The same without a trace. */
void group_keep_peek_locked(struct group *g, uint32_t hash, const void *key, size_t key_len,
                            struct found *out);

/* Whether a stale item may be given away while it is loaded anew, or instead of an error. */
int group_keep_may_revalidate_locked(const struct group *g, const struct item *stale);
int group_keep_may_replace_error_locked(const struct group *g, const struct item *stale,
                                        enum err code);

/* Whether a stale item, or NULL, is given without a load: its last one has failed, and the pause
 * after it is not over. When it is over, the caller loads the value, and the others have the stale
 * one for as long again. */
int group_keep_spares_locked(struct group *g, struct item *stale);

/* Whether an error says that the source is of no use for now. */
int group_keep_is_outage(enum err code);

/* A load of a stale item's key has failed: a pause begins, longer than the one before. */
void group_keep_pause_locked(struct group *g, struct item *stale);

/* Keeps what a flight brought, if it is to be kept. Of NOTFOUND it sets r->expires_ms. */
void group_keep_locked(struct group *g, const struct flight *f, struct result *r, struct after *a);

/* 1: the item is in main now (a reference of its own); 0: it is too large for this cache. */
int group_keep_put_main_locked(struct group *g, struct item *it, struct after *a);

/* Takes the key out of both caches. 1 when it was in one. */
int group_keep_take_out_locked(struct group *g, uint32_t hash, const void *key, size_t key_len,
                               struct after *a);

/* Items go until the caches are within their bound. */
void group_keep_evict_locked(struct group *g, struct after *a);

/* Takes out some of the items whose time is over, so that it has been round once in a while, and
 * frees some that a flush left. */
void group_keep_tick(struct group *g, uint64_t now_ms);

/* --- group_hot.c --- */

/* What the options call for; NULL: nothing is to be measured. */
struct sketch *group_hot_sketch(const struct group_opts *o);

/* Takes `fresh`, and returns what is to be freed: that, when the group goes on with its own. */
struct sketch *group_hot_configure_locked(struct group *g, struct sketch *fresh);

/* Counts a get. */
static inline void group_hot_count_locked(struct group *g, uint32_t hash)
{
    if (g->sketch)
        sketch_add(g->sketch, hash);
}

/* Whether the key of `it` is hot, of which its owner tells minute_qps. To keep it would cost the
 * hot cache `victim`; NULL: nothing. */
int group_hot_enough_locked(const struct group *g, const struct item *it, double minute_qps,
                            const struct item *victim);

/* --- group_load.c --- */

/* Moves the flights that may start now from the queue to a->start. */
void group_load_start_queued_locked(struct group *g, struct after *a);

#endif
