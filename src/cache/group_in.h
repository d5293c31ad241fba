/* SPDX-License-Identifier: MIT */
/* group_in.h - what the files of a group share; for cache/ only.
 *
 * One file a subject: group.c: its life. group_look.c: lookups and counters. group_fetch.c: what
 * they will read. group_keep.c: the items that it keeps. group_stale.c: what may be done with items
 * past their end. group_hot.c: which keys are hot. group_load.c: loads. group_ahead.c: loads before
 * a value's end. group_end.c: how loaders end them. group_places.c: which loads may run.
 * group_calm.c: what keeps loads from the source. group_failed.c: failed loads in the log.
 * group_change.c: set, remove, flush. group_tags.c: values whose tags were removed. group_pack.c:
 * values that are compressed. group_hand.c: values that nodes hand over. group_seen.c: what an
 * operator sees. group_many.c: many keys at once. group_walk.c: a walk over all items.
 * group_restore.c: items that come back. group_wait.c: a get that blocks. group_tick.c: what is
 * done from time to time.
 *
 * A function whose name ends in _locked is called with the group's mutex held; it neither calls out
 * nor frees. It notes that work in a struct after (after.h), for when the mutex is dropped. */
#ifndef GROUP_IN_H
#define GROUP_IN_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "base/list.h"
#include "base/traceparent.h"
#include "cache/awake.h"
#include "cache/breaker.h"
#include "cache/changelog.h"
#include "cache/flight.h"
#include "cache/group.h"
#include "cache/lru.h"
#include "cache/packed.h"
#include "cache/popular.h"
#include "cache/recent.h"
#include "cache/sketch.h"
#include "cache/stats.h"
#include "cache/tags.h"

struct after;
struct text;

/* Loads that failed and of which no log line has told: how many, and the last of them. */
struct failed {
    uint64_t n;
    uint64_t next_ms;   /* no line before */
    const char *source; /* static */
    struct error error;
    size_t key_len;                       /* of the whole key */
    char key[100];                        /* its first bytes */
    char trace[TRACEPARENT_ID_BYTES + 1]; /* "": it has none */
};

/* What the log says of the breaker. */
enum calm_said { CALM_CLOSED, CALM_OPEN_FOR_ONE, CALM_OPEN };

/* What keeps loads from the source, beside the breaker itself. */
struct group_calm {
    uint64_t tokens, tokens_ms; /* of max_rate; when they were counted last */
    enum calm_said said;
    uint64_t opened_ns,
        refused;        /* when it opened, stats.breaker_refused then, unless CALM_CLOSED */
    struct error error; /* of the last load that the source failed */
};

/* Until a group's gets of a second are known, one in so many is noted for the popular keys. */
enum { GROUP_FIRST_STRIDE = 16 };

/* Go: hot is evicted first while it holds over an eighth of main. */
enum { GROUP_HOT_SHARE = 8 };

/* Buckets of main from which on its items are in no near cache of the processor: 3,072 items. */
enum { GROUP_MANY = 4096 };

struct group {
    char *name;               /* set once */
    uint64_t number;          /* set once: changelog_group() of the name */
    _Atomic uint64_t removed; /* atomic; 1 and what has left main so far, a flush being one, and the
                               * close; written under mu */
    _Atomic uint64_t epoch;   /* atomic; that number at the last flush or the close; written under
                               * mu */
    _Atomic(struct text *) content_type, pass_headers, writers,
        keying;            /* atomic; one thread, the node's, changes them */
    struct text *texts;    /* that thread's: all of them, newest first */
    atomic_int local_only; /* atomic: opts.local_only, to be seen without the mutex */
    atomic_uint http;      /* atomic: opts.http, as local_only */
    atomic_uint max_keys, max_loads, gather_ms; /* the same of opts */
    struct calls calls;                         /* the loader's */
    struct loader loader;                       /* set once; not called once closed is 1 */
    _Atomic uint64_t ahead_ms; /* atomic: readers give no value that expires so soon */
    atomic_int many;           /* atomic: main has GROUP_MANY buckets or had; as measured */
    atomic_int measured;       /* atomic: there is a sketch, to be seen without the mutex */
    atomic_int closed;         /* atomic; set under mu */
    _Atomic unsigned refs;     /* atomic */

    pthread_mutex_t mu;
    struct group_opts opts;                /* guarded by mu, like all that follows */
    struct lru *main, *hot;                /* two caches, one bound */
    struct list readers;                   /* reader.link */
    unsigned nreaders;                     /* in that list */
    struct list flushed;                   /* items by item.order, to be freed bit by bit */
    struct flights *flights[FLIGHT_KINDS]; /* [enum flight_kind] */
    struct list queues[2];                 /* flight.queued, [flight.nested]: waiting for a place */
    uint64_t running;                      /* local flights that are FLIGHT_RUNNING */
    uint64_t waiting;                      /* those that are FLIGHT_WAITING */
    uint64_t in_queues;                    /* the lengths of both queues */
    uint64_t mean_held_16, mean_took_16; /* of local loads, in sixteenths of a ms: how long one has
                                          * a place among max_loads, and how long one runs */
    uint64_t instead;                    /* open local flights of keys that peers should load */
    uint64_t waiters;
    uint64_t random;
    struct sketch *sketch; /* gets by key; NULL unless opts.hot is HOT_RATE */
    uint64_t swept_ms;     /* the time up to which the sweep for expired items has come */
    struct changelog log;
    struct tags tags;
    uint64_t tags_ms; /* the clock_ms() time of the last removal of a tag */
    struct stats stats;
    struct failed failed;
    uint64_t unkept_bytes; /* of the largest item that was over ADMIT_SHARE */
    uint64_t unkept_said;  /* what the log has said of that */
    struct breaker breaker;
    struct group_calm calm;
    struct recent recent;
    unsigned stride, passed; /* popular: one get in `stride` is noted; gets since the last */
    uint64_t strided_ms, strided_gets; /* when the stride was chosen, stats.gets then */
    struct popular popular;
    struct awake *awake; /* borrowed; NULL: no tick looks at this group */
    struct awake_link awake_link;
    uint64_t ticked_gets; /* stats.gets at the end of the last group_tick_all() */
};

/* --- group.c --- */

/* The node's thread: the texts of group_configure(). */
void group_set_texts(struct group *g, const struct group_texts *texts);

/* What readers know of main may have ended: they look at each item once more. */
static inline void group_removed_locked(struct group *g)
{
    atomic_fetch_add_explicit(&g->removed, 1, memory_order_release);
}

/* The same, and no item that they know is in main. Also when the group is closed: then a reader
 * knows no item again, so that its owner sees the close. */
static inline void group_all_removed_locked(struct group *g)
{
    atomic_store_explicit(&g->epoch, atomic_load_explicit(&g->removed, memory_order_relaxed) + 1,
                          memory_order_relaxed);
    group_removed_locked(g);
}

/* Copies the options of calls with several keys, to be seen without the mutex. */
void group_note_calls(struct group *g, const struct group_opts *opts);

/* Hands opts.eviction to both caches. */
void group_set_eviction_locked(struct group *g);

/* --- group_look.c --- */

/* Counts a get and looks for its value; borrowed. */
struct item *group_look_locked(struct group *g, const struct key_ref *k, enum source *source,
                               struct after *a);

/* --- group_keep.c --- */

/* The items that a group has for a key; all borrowed. */
struct found {
    struct item *live;     /* a value within its time */
    enum source source;    /* of live */
    struct item *negative; /* within its time: a kept NOTFOUND */
    struct item *stale;    /* a stale value */
};

/* Looks into main, then hot; counts in their counters and moves the item to the front. Expired
 * items are removed. */
void group_keep_find_locked(struct group *g, const struct key_ref *k, struct found *out,
                            struct after *a);

/* The same, but nothing is counted, moved or removed. */
void group_keep_peek_locked(struct group *g, const struct key_ref *k, struct found *out);

/* Keeps the result of a flight, if it may be kept. For NOTFOUND it sets r->expires_ms. */
void group_keep_locked(struct group *g, const struct flight *f, struct result *r, struct after *a);

/* 1: the item is in main now (a reference of its own); 0: it is too large for this cache. */
int group_keep_put_main_locked(struct group *g, struct item *it, struct after *a);

/* Removes the key from both caches. 1 when it was in one of them. */
int group_keep_take_out_locked(struct group *g, const struct key_ref *k, struct after *a);

/* Evicts items until the caches are within their bound, which may be far less than it was. */
void group_keep_evict_locked(struct group *g, struct after *a);

/* Removes some of the expired items, so that all are looked at once in a while, and frees some of
 * the items of a flush. */
void group_keep_tick(struct group *g, uint64_t now_ms);

/* --- group_stale.c --- */

/* Whether an item is past every use. Any item. */
int group_stale_is_over_locked(const struct group *g, const struct item *it, uint64_t now_ms);

/* Whether a stale item, or NULL, may answer while it is loaded anew, or instead of an error. */
int group_stale_may_revalidate_locked(const struct group *g, const struct item *stale);
int group_stale_may_replace_error_locked(const struct group *g, const struct item *stale,
                                         enum err code);

/* Whether an error says that the source is of no use for now. */
int group_stale_is_outage(enum err code);

/* A load of an item's key has failed, before its end or after it: a pause begins, longer than the
 * pause before. */
void group_stale_pause_locked(struct group *g, struct item *it);

/* Whether a stale item, or NULL, is given without a load: its last load has failed, and the pause
 * after it has not passed. Once it has, the caller loads the value, and the others have the stale
 * value for as long again. */
int group_stale_spares_locked(struct group *g, struct item *stale);

/* --- group_tags.c --- */

/* The first removal of a tag of this item after the removal `began`; 0: none. */
uint64_t group_tags_removed_locked(const struct group *g, const struct item *it, uint64_t began);

/* Whether a tag of the item was removed after the item's load began. Any item. */
static inline int group_tags_outdate_locked(const struct group *g, const struct item *it)
{
    return it->tagged && item_tags_began(it) < g->tags.last &&
           group_tags_removed_locked(g, it, item_tags_began(it));
}

/* The same for a hit: a look at an item that is up to date is quick until the next removal. */
int group_tags_check_locked(struct group *g, struct item *it);

/* Removes a tag, if the key stands for one. */
void group_tags_change_locked(struct group *g, const struct key_ref *k);

/* Whether a tag of the extras was removed since then, or may have been, by the log of changes. */
int group_tags_changed_locked(const struct group *g, const char *extra, size_t n,
                              uint64_t since_ms);

/* Moves the waiters that joined after a removal of a tag of this value to `late`: they must not get
 * it, since it is older. Each brings a reference to its `from`: the load that waits may end before
 * the waiter joins another flight. */
void group_tags_sort_out_locked(struct group *g, const struct flight *f, const struct item *it,
                                struct list *woken, struct list *late);

/* --- group_hot.c --- */

/* A sketch, if the options need one; NULL: nothing is to be measured. */
struct sketch *group_hot_sketch(const struct group_opts *o);

/* Takes `fresh`, and returns the sketch to be freed: `fresh` itself, when the group keeps its own.
 */
struct sketch *group_hot_configure_locked(struct group *g, struct sketch *fresh);

/* Counts a get. */
static inline void group_hot_count_locked(struct group *g, uint32_t hash)
{
    if (g->sketch)
        sketch_add(g->sketch, hash);
}

/* Whether the key of `it` is hot; its owner tells minute_qps. To keep it would evict `victim` from
 * the hot cache; NULL: nothing. */
int group_hot_enough_locked(const struct group *g, const struct item *it, double minute_qps,
                            const struct item *victim);

/* --- group_seen.c --- */

/* Counts a get among the popular keys. */
static inline void group_seen_note_locked(struct group *g, const struct key_ref *k)
{
    if (++g->passed < g->stride)
        return;
    g->passed = 0;
    popular_add(&g->popular, k, g->stride);
}

/* --- group_failed.c --- */

/* A load ended without a value, or was refused. `source` says where: a static word. trace may be
 * NULL. */
void group_failed_note_locked(struct group *g, const char *source, const struct key_ref *k,
                              const struct error *e, const struct traceparent *trace);

/* --- group_ahead.c --- */

/* Whether a hit of that live item is to begin a load of its key. */
int group_ahead_is_due_locked(struct group *g, const struct item *it);

/* Loads take another time now, or the options were changed: readers are to know. */
void group_ahead_note_locked(struct group *g);

/* Before another thread sees the item: how long its load took until now. */
void group_ahead_took(struct item *it, const struct flight *f);

/* --- group_load.c --- */

/* Begins a load of a key whose value is good for now, if this node is its owner. */
void group_load_ahead(struct group *g, const struct key_ref *k);

/* --- group_tick.c --- */

/* The group has something to do that the next tick must look at. */
static inline void group_wake_locked(struct group *g)
{
    if (g->awake)
        awake_add(g->awake, &g->awake_link);
}

/* --- group_calm.c --- */

/* Whether the breaker refuses a local load of that key. 1: the reason is in now->err. waits: a get
 * waits for the load, and is counted; a load in the background is not. */
int group_calm_refuses_locked(struct group *g, const struct key_ref *k, int waits,
                              struct result *now);

/* A flight ends with r, which says how the source does. */
void group_calm_note_locked(struct group *g, const struct flight *f, const struct result *r);

/* Whether a queued flight is to end, since the breaker has opened after it. */
int group_calm_is_stopped_locked(const struct group *g, const struct flight *f);

/* The options were changed. */
void group_calm_configure_locked(struct group *g);

/* Takes a token of max_rate for a load. 0: there is none now. */
int group_calm_takes_token_locked(struct group *g, uint64_t now_ms);

/* Whether a new local load would wait for its token for too long. 1: the reason is in now->err. */
int group_calm_is_too_much_locked(struct group *g, struct result *now);

/* --- group_places.c --- */

/* A new local flight starts, or is queued. */
void group_places_enqueue_locked(struct group *g, struct flight *f, struct after *a);

/* Moves the flights that may start now from the queues to a->start. */
void group_places_start_locked(struct group *g, struct after *a);

/* Starts the flights that have waited for a token of max_rate. */
void group_places_tick(struct group *g);

/* A flight ends: it leaves its queue or gives its place back. 1: it was queued, so its loader has
 * never had it. */
int group_places_leave_locked(struct flight *f);

/* Whether a new local load could not end in time, since too many wait before it. 1: the reason is
 * in now->err. */
int group_places_is_hopeless_locked(const struct group *g, struct result *now);

/* --- compressing: group_pack.c --- */

/* Compresses a value in the coding of the group's option `compress`: makes *v its form, with x for
 * its extras. Returns the bytes, which mem_free() frees. NULL: *v stays, since it gains nothing,
 * may not be compressed, or there is no memory. No lock is held. */
char *group_pack(enum packed_coding coding, struct given *v, struct extra *x);

#endif
