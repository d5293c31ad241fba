/* SPDX-License-Identifier: MIT */
/* group.h - a named cache with one load per key: the engine of the node.
 *
 * A get is group_lookup() and, on a miss, group_load(): two calls, so a server can answer a hit at
 * once and park its connection only for a miss. A load runs through one of two loaders that the
 * owner plugs in (a peer, or the local getter), which end it with group_finish().
 *
 * Any thread may call anything here. One mutex per group covers main, hot, counters and flights:
 * "look up, join or open" is one critical section, "insert, end, detach" is another. Neither
 * loaders nor waiters are called under it. Keys and values are byte strings. */
#ifndef GROUP_H
#define GROUP_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "cache/flight.h"
#include "cache/item.h"
#include "cache/lru.h"
#include "cache/stats.h"

struct buf;
struct spans;
struct group;
struct peer;

/* What a client's query means (/cache/GROUP/KEY?QUERY). */
enum query_policy {
    QUERY_REFUSE, /* nothing: the request is refused */
    QUERY_KEY     /* it is a part of the key, with its question mark */
};

/* A group whose values are messages of HTTP (wire/httpmsg.h). */
enum http_policy {
    HTTP_CACHE = 1,     /* the values are such messages, and clients get what is in them */
    HTTP_OBEY = 2,      /* the Cache-Control of requests counts */
    HTTP_SAY_STATUS = 4 /* answers have a Cache-Status */
};

/* Which answers of peers are kept in the hot cache. */
enum hot_policy {
    HOT_SAMPLE, /* Go's one in ten */
    HOT_ALWAYS,
    HOT_NEVER,
    HOT_RATE /* keys that are asked for often: group_hot.c has the rule */
};

/* X(type, name, default): the numbers of a group. Times in ms, sizes in bytes. */
#define GROUP_NUMBERS(X)                                                                           \
    X(uint64_t, cache_bytes, 64000000)      /* main and hot together; 0 keeps nothing */           \
    X(uint64_t, remember_bytes, UINT64_MAX) /* of all readers; UINT64_MAX: see reader.h */         \
    X(uint64_t, ttl_ms, 0)                  /* age at which a value expires; 0 is never */         \
    X(uint64_t, ttl_jitter, 100)            /* thousandths of ttl_ms by which it may be shorter */ \
    X(uint64_t, negative_ttl_ms, 0)         /* how long NOTFOUND is kept; 0 is not at all */       \
    X(uint64_t, refresh_ahead, 0) /* thousandths: B of group_ahead.c; 0: no load before the end */ \
    X(uint64_t, stale_while_revalidate_ms, 0) /* after its ttl a value still answers gets */       \
    X(uint64_t, stale_if_error_ms, 0)         /* after its ttl a value stands in for an error */   \
    X(uint64_t, keep_old_ms, 0)   /* after its ttl the getter may have a value as ctx.old */       \
    X(uint64_t, timeout_ms, 5000) /* of a load, waiting included */                                \
    X(uint64_t, max_value_bytes, 8000000) /* a larger value is TOOBIG */                           \
    X(uint64_t, max_loads, 256)           /* getters that run at once */                           \
    X(uint64_t, max_waiting, 4096)        /* those that run, and those that wait for sources */    \
    X(uint64_t, max_rate, 0)          /* thousandths of getters begun a second; 0 is no bound */   \
    X(uint64_t, max_keys, 1)          /* keys that the script's getter takes in one call */        \
    X(uint64_t, gather_ms, 0)         /* for so long the first key of a call waits for others */   \
    X(uint64_t, breaker, 0)           /* failed loads in a row that open the breaker; 0: none */   \
    X(uint64_t, breaker_share, 0)     /* thousandths of loads that may fail; 0: all */             \
    X(uint64_t, cpu_timeout_ms, 1000) /* processor time of one getter; 0 is no bound */            \
    X(uint64_t, burst_ms, 100)        /* then others of its VM may run; 0: never */                \
    X(uint64_t, eviction, EVICT_ADAPTIVE) /* enum eviction */                                      \
    X(uint64_t, hot, HOT_SAMPLE)          /* enum hot_policy */                                    \
    X(uint64_t, local_only, 0)            /* 1: every key is this node's own */                    \
    X(uint64_t, writable, 0)              /* 1: clients may set and remove over HTTP */            \
    X(uint64_t, query, QUERY_REFUSE)      /* enum query_policy */                                  \
    X(uint64_t, compress, 0)              /* enum packed_coding: how values are kept */            \
    X(uint64_t, http, 0)                  /* enum http_policy, or-ed; 0: values are bytes */

struct group_opts {
#define X(type, name, def) type name;
    GROUP_NUMBERS(X)
#undef X
};

/* Fills in the defaults. */
void group_opts_init(struct group_opts *o);

/* With HOT_RATE a key is hot if this node has so many gets of it a minute. */
enum { GROUP_HOT_RATE = 30 };

/* One in so many of max_loads may be loads of keys that no other node could load. A further such
 * load is BUSY: else a failure of some nodes would multiply the work at the origin. */
enum { GROUP_INSTEAD_SHARE = 2 };

enum {
    GROUP_MAX_WAITERS = 16384, /* callers of one flight; the next one is BUSY */
    GROUP_MAX_FLIGHTS = 16384, /* open flights of a kind; the next key is BUSY */
    GROUP_MARGIN_MS = 1000     /* so long after its deadline a flight has ended by itself */
};

/* How a group loads. No function is called with a lock held; ctx is the owner's. */
struct loader {
    void *ctx;

    /* NULL, or called once a change of the group is made, with the numbers of changelog.h: `name`
     * is that of the key, or of the group for a flush. Any thread. */
    void (*changed)(void *journal, uint64_t group, uint64_t name);
    void *journal; /* borrowed */

    /* Borrowed: takes the spans of loads that have a trace; NULL: nobody does. */
    struct spans *spans;

    /* The peer that owns the key, a reference that remote() takes; NULL when this node is the
     * owner. */
    struct peer *(*owner)(void *ctx, const void *key, size_t key_len);

    /* Gives back the reference of owner() when no load was started. */
    void (*disown)(void *ctx, struct peer *owner);

    /* Starts a load at a peer, or by our getter. Takes the caller's reference to f, and gives it
     * back through group_finish(), group_fallback(), group_load_elsewhere() or
     * group_load_abstain(), exactly once, on any thread, also at once. A loader that asks a second
     * peer while the first has not answered takes a reference more, flight_ref(). */
    void (*remote)(void *ctx, struct flight *f, struct peer *owner);
    void (*local)(void *ctx, struct flight *f);

    /* 1: local() runs no getter, which only the caller of group_load() can do. So a waiter that
     * would need another load ends with BUSY, and its `late` is 1. */
    int by_caller;

    /* May be NULL. The loads that this thread gives to remote() or local() between the two calls
     * may be started together, in release(). */
    void (*hold)(void *ctx);
    void (*release)(void *ctx);
};

/* Copies everything. Returns a reference. */
struct group *group_new(const char *name, const char *content_type, const struct group_opts *opts,
                        const struct loader *loader);
struct group *group_ref(struct group *g);
void group_unref(struct group *g); /* NULL is fine */

const char *group_name(const struct group *g);
void *group_ctx(const struct group *g);                /* the loader's */
const char *group_content_type(const struct group *g); /* valid as long as the group */

/* Headers of a request that its getter may see: lower-case names, each ended by a line end. Empty
 * until group_configure() sets it. Valid as long as the group. */
const char *group_pass_headers(const struct group *g);

/* What clients need to change a group with `writable`: rules, each ended by a line end. A rule is
 * 't' and a token, or 'n' and a network. Empty: nothing. As group_pass_headers() otherwise. */
const char *group_writers(const struct group *g);

/* What a client's query and headers add to a key: rules, each ended by a line end (http/keying.h).
 * Empty: nothing. As group_pass_headers() otherwise. */
const char *group_keying(const struct group *g);
/* Counts a call of the key function that the group has. */
void group_count_key(struct group *g, int failed);

struct group_opts group_opts(struct group *g);
unsigned group_http(const struct group *g);     /* opts.http, without the mutex */
unsigned group_max_keys(const struct group *g); /* the same of opts.max_keys */

unsigned group_max_loads(const struct group *g);
unsigned group_gather_ms(const struct group *g);
struct calls *group_calls(struct group *g); /* the loader's, which guards it */

/* Changes the group's options; the items stay. A smaller cache_bytes evicts at once. A load under
 * way keeps its deadline, a value its expiry. */
struct group_texts {
    const char *content_type, *pass_headers, *writers, *keying;
};
void group_configure(struct group *g, const struct group_texts *texts,
                     const struct group_opts *opts);

/* Counts a get (and a server request when it is a peer's). Returns a reference to the item, and its
 * source in *source; NULL is a miss. `k` is group_key(), here and below. */
struct item *group_lookup(struct group *g, const struct key_ref *k, int from_peer,
                          enum source *source);

/* A get of a key with that group_hash() comes soon: the processor fetches the place in the table,
 * or what is there. Long before the get, first the one and then the other. */
void group_fetch_place(struct group *g, uint32_t hash);
void group_fetch_item(struct group *g, uint32_t hash);

/* A reference to the item that this node holds, in main, in hot, or stale; NULL: none. The get is
 * not counted, the item not moved to the front, and nothing is loaded. */
struct item *group_peek(struct group *g, const struct key_ref *k, enum source *source);

/* To be called after a miss. Returns 1 when the end is known at once: it is in *now, and w is not
 * used. Returns 0 when w waits: w->wake() is called, perhaps before this returns. A load
 * `from_peer` never goes to another node. */
int group_load(struct group *g, const struct key_ref *k, int from_peer, struct waiter *w,
               struct result *now);

/* The same, but the value that is held is no answer: it is loaded anew. The get was counted. */
int group_load_anew(struct group *g, const struct key_ref *k, int from_peer, struct waiter *w,
                    struct result *now);

/* Loads a value anew, in the background; of *w only info counts. */
void group_load_behind(struct group *g, const struct key_ref *k, int from_peer, struct waiter *w);

/* Around several calls of group_load() by one thread: loads from the same peer travel together. If
 * group_hold() returns 1, group_release() must follow. */
int group_hold(struct group *g);
void group_release(struct group *g);

/* Lookup and, on a miss, load; as group_load(). *now must hold no item. */
int group_look_or_load(struct group *g, const struct key_ref *k, int from_peer, struct waiter *w,
                       struct result *now);

/* The same for a thread that may block: at most timeout_ms, 0 for the group's own bound. The item
 * in *out is the caller's reference. Returns out->err.code. */
enum err group_get(struct group *g, const struct key_ref *k, uint64_t timeout_ms,
                   struct result *out);

/* The load alone, after a miss that was counted. */
enum err group_wait(struct group *g, const struct key_ref *k, uint64_t timeout_ms,
                    struct result *out);

/* Fills in the error of a caller that has waited for timeout_ms. Returns TIMEOUT. */
enum err group_late(const struct group *g, uint64_t timeout_ms, struct error *e);

/* Takes a waiter off. 1: it will not be woken. 0: wake() was called, or is about to be on another
 * thread. */
int group_cancel(struct group *g, struct waiter *w);

/* Loaders: ends the flight with r and gives back the loader's reference. The flight takes its own
 * reference to r->item. When the flight has ended before (its deadline passed), r is dropped. */
void group_finish(struct flight *f, const struct result *r);
/* Ends the flight with a getter's value: copies it, bounds it by max_value_bytes (TOOBIG). ttl_ms
 * is its time to live, NULL for the group's own. Returns how the flight ended, and why in e. */
enum err group_finish_value(struct flight *f, const void *value, size_t n, const double *ttl_ms,
                            struct error *e);
void group_finish_error(struct flight *f, enum err code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* A value as a getter or a set gives it; borrowed. */
struct given {
    const void *bytes;
    size_t n;
    const double *ttl_ms; /* NULL: the group's own */
    uint64_t age_s;       /* so old it is already */
    const void *extra;    /* its extras (extra.h) */
    size_t extra_len;
    int at_once;     /* 1: the thread has no time to compress more than PACKED_AT_ONCE */
    struct buf *own; /* NULL, or the buffer of the bytes, which an item may take */
};

/* group_finish_value() for a value with extras. */
enum err group_end_given(struct flight *f, const struct given *v, struct error *e);

/* Ends the flight with NOTFOUND. ttl_ms is how long that may be kept: 0 or less not at all, NULL
 * for the group's negative_ttl. */
void group_end_not_found(struct flight *f, const char *text, const double *ttl_ms);

/* Loaders of local flights: what the getter does now, FLIGHT_RUNNING, FLIGHT_WAITING or
 * FLIGHT_ASKING. The flight was FLIGHT_RUNNING when it was given to the loader,
 * FLIGHT_WAITING if the group has max_keys. Does nothing once
 * the flight has ended. */
void group_places_move(struct flight *f, enum flight_state to);

/* Loaders: no other node is to be asked. Counts a peer error, gives back the reference, and lets
 * our getter load the key for all the waiters. `ours` is 1 if this node is the next owner of the
 * key; else GROUP_INSTEAD_SHARE bounds such loads. */
void group_fallback(struct flight *f, int ours);

/* Loaders: gives a local flight to loader.local() once more. Passes on the reference. */
void group_load_here(struct flight *f);

/* Loaders: starts the load at another peer, by loader.remote(), since the first cannot be used or
 * is silent. Counts a peer error, and passes on both references. */
void group_load_elsewhere(struct flight *f, struct peer *other);

/* Loaders: gives back a reference without an end, since another peer or our getter still loads the
 * key. */
void group_load_abstain(struct flight *f);

/* --- change, at this node alone --- */

/* Stores a value in place of the old one, if any. ttl_ms as in group_finish_value(). TOOBIG when it
 * is over max_value_bytes or an eighth of cache_bytes; NOMEM. In both cases the key is removed. */
enum err group_set(struct group *g, const struct key_ref *k, const void *value, size_t n,
                   const double *ttl_ms, struct error *e);

/* group_set() for a value with extras. */
enum err group_change_given(struct group *g, const struct key_ref *k, const struct given *v,
                            struct error *e);

/* Removes the key. A load that was under way does not bring it back. 1 when it was held. */
int group_remove(struct group *g, const struct key_ref *k);

/* Removes every key, in O(1). The memory is freed bit by bit, and counts until then. */
void group_flush(struct group *g);

/* Appends the keys that were set or removed here since then, as changelog_keys() does. 0: that is
 * no more known, and all keys may be among them. */
int group_change_keys(struct group *g, uint64_t since_ms, struct buf *keys);

/* The changes of the last age_ms and some seconds before, with this node's part of changes over all
 * nodes: appends changelog_name() of each key, eight bytes each. 1: all of them. 0: some are not
 * known any more, or this node has not run for so long. */
int group_change_names(struct group *g, uint64_t age_ms, struct buf *out);

/* Puts back an item that this node has kept before. Takes the reference. 1: it is in the cache. 0:
 * its key is held, the cache is full, the value is too large, or it has expired. */
int group_restore(struct group *g, struct item *it);

/* References to some items of main. *at is 0 at first, and the place from which the next call goes
 * on. Returns how many, at most max, in one short critical section. *at is SIZE_MAX when the walk
 * has ended. An item that is there throughout is found at least once. */
size_t group_walk(struct group *g, size_t *at, struct item **out, size_t max);

/* Makes an item of a value from a getter or a set, with its bounds and its expiry. Returns a
 * reference. NULL and e: TOOBIG or NOMEM. */
struct item *group_keep_item(struct group *g, const struct key_ref *k, const struct given *v,
                             struct error *e);

/* The time after its ttl for which an item answers gets, or stands in for an error, whichever is
 * longer: its own, else the group's. */
uint64_t group_stale_ms(struct group *g, const struct item *it);

/* A ttl above 0 in whole milliseconds: rounded up, so never 0; a hundred years at most. */
uint64_t group_keep_whole_ms(double ttl_ms);

/* The clock_ms() time at which a value with a getter's ttl_ms expires; in the past for 0, less and
 * nan. */
uint64_t group_keep_ends_ms(double ttl_ms);

/* The expires_ms of a value that has no ttl of its own. */
uint64_t group_keep_expiry_ms(struct group *g);

/* Ends the flights whose deadline has passed, and removes some of the expired items. To be called a
 * few times a second. */
void group_tick(struct group *g, uint64_t now_ms);

/* For the owner of a node: writes the log line about loads that failed, once a second at most. */
void group_failed_tick(struct group *g, uint64_t now_ms);

/* Says in the log what cache_bytes would keep a value that was too large: once, and again for a
 * value of more than twice the size. */
void group_keep_say_unkept(struct group *g);

/* The same about the breaker: a line when it opens and when it closes. */
void group_calm_tick(struct group *g);

/* All three and group_seen_tick(), for a group that is in a set of groups (groups.h). */
void group_tick_all(struct group *g, uint64_t now_ms);

struct awake;

/* From now on the group adds itself there when it has something to do. Borrowed until the call with
 * another one, or with NULL. */
void group_tick_watch(struct group *g, struct awake *awake);

/* Every later load ends with CLOSED, and so do those under way. Hits go on. The node is stopping,
 * or the group was removed. */
void group_close(struct group *g);
int group_is_closed(const struct group *g);

/* The gets a minute that this node has for a key, those of peers included; a peer that asks for the
 * key is told. 0 without HOT_RATE, and for a key that does not stand out from the rest. */
double group_hot_minute_qps(struct group *g, uint32_t hash);

void group_stats(struct group *g, struct stats *out);

uint32_t group_hash(const void *key, size_t n);

/* The key as the functions above take it: with its hash. Borrows the bytes. */
static inline struct key_ref group_key(const void *key, size_t n)
{
    return (struct key_ref){(const char *)key, n, group_hash(key, n)};
}

#endif
