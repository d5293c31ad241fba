/* SPDX-License-Identifier: MIT */
/* flight.h - loads in progress, one per key, and their waiters.
 *
 * A flight is opened by the first miss and joined by the rest. It has no owner, and outlives its
 * first waiter. It ends exactly once, in flights_end(), which unhooks the key and returns the
 * waiters. The caller wakes them after it has dropped the group's mutex.
 *
 * When its key is set or removed a flight is outdated. Its waiters still get its value, since they
 * asked before the change. But no other waiter joins it, and the value is not kept.
 *
 * The group's mutex guards everything here, except a flight's references (atomic) and the fields
 * that are set once. */
#ifndef FLIGHT_H
#define FLIGHT_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/inbox.h"
#include "base/key.h"
#include "base/list.h"
#include "cache/cycle.h"
#include "cache/result.h"

struct call;
struct flight;
struct group;
struct traceparent;

/* A name in flight.info: all bytes behind it are the body of the request. It is the last one. */
#define FLIGHT_BODY "\n"

/* Waits for a flight; embedded in a request, an op and so on. wake() is called exactly once, on any
 * thread, with no lock held. It keeps the result by result_copy(). */
struct waiter {
    struct list link;      /* guarded by the group's mutex */
    struct flight *flight; /* guarded by the group's mutex; NULL once it ended */
    void (*wake)(struct waiter *w, const struct result *r);

    /* Set before group_load(), or zero. */
    struct flight *from; /* borrowed: the load that waits, a getter's or one at a peer */
    const char *info;    /* borrowed for the call: flight.info, if this opens a flight */
    size_t info_len;
    const struct traceparent *trace; /* borrowed for the call: of the request, or NULL; then the
                                      * load belongs to the trace of `from`, if there is one */

    uint64_t tags_seen;     /* the engine's: the last removal of a tag before it joined (tags.h) */
    int late;               /* the engine's, for wake(): see loader.by_caller */
    struct cycle_edge edge; /* the engine's; used when `from` is set */
};

/* A remote flight may wait for a peer, a local one runs our getter. Peers' requests join only local
 * flights: so no two nodes can wait for each other, whatever their rings say. */
enum flight_kind { FLIGHT_REMOTE, FLIGHT_LOCAL, FLIGHT_KINDS };

enum flight_state {
    FLIGHT_NEW,
    FLIGHT_QUEUED,  /* for a place in its group */
    FLIGHT_RUNNING, /* given to its loader; of a local one: it has a place among max_loads */
    FLIGHT_WAITING, /* local: its getter waits, and has a place among max_waiting */
    FLIGHT_ASKING,  /* local: its getter waits for other loads, and has no place */
    FLIGHT_ENDED
};

struct flight {
    struct list link;        /* in flights.order */
    struct list queued;      /* in one of the group's queues while FLIGHT_QUEUED */
    struct flight *chain;    /* next in the bucket */
    struct list waiters;     /* struct waiter, first come first */
    struct waiter fallback;  /* FLIGHT_REMOTE: waits for the local flight that took over */
    struct list companions;  /* the loader's: flight.queued of those that have joined it */
    unsigned n_companions;   /* the loader's: length of that list */
    struct call *call;       /* the loader's: of a group with max_keys, once it has begun */
    struct msg msg;          /* the loader's, to carry the flight to its thread */
    void *carrier;           /* the loader's: the worker or peer that has the flight */
    unsigned char asked;     /* the loader's: peers that were asked for the key */
    unsigned char pending;   /* the loader's: peers that have not answered, each with a reference */
    unsigned char here;      /* the loader's: our getter loads the key as well */
    unsigned char passing;   /* the loader's: the first peer that was asked is not the owner */
    unsigned char handover;  /* the loader's: of a local one, another node is asked for its value */
    unsigned char held;      /* the loader's: it may not begin yet */
    unsigned ring;           /* the loader's: which ring the first peer was chosen by */
    struct group *group;     /* set once; the flight holds a reference */
    struct cycle_node cycle; /* the flights it waits for */
    char *info;              /* set once, owned, or NULL: what the getter may know of the request
                              * that opened it, as name, NUL, value, NUL, ...; the name of the
                              * asking peer's URL is empty */
    size_t info_len;         /* set once */
    struct traceparent *trace; /* set once, owned: the span of this load; NULL: it has none */
    uint64_t opened_ns;        /* set once: clock_ns() time */
    _Atomic uint64_t began_ns; /* atomic: clock_ns() time at which its getter began; 0: not yet */
    uint64_t tags_began;   /* set once: the last removal of a tag before it was opened (tags.h) */
    uint64_t deadline_ms;  /* set once: clock_ms() time at which it ends with TIMEOUT */
    uint64_t started_ms;   /* guarded: clock_ms() time at which a local one began to run */
    uint64_t since_ms;     /* guarded: at which it took its place among max_loads, if it has one */
    uint64_t held_ms;      /* guarded: how long it had such a place before */
    uint64_t handed_ms;    /* the loader's: clock_ms() time at which it was given the flight */
    uint64_t generation;   /* guarded: the table's when it was opened; 0: its key was changed */
    size_t n_waiters;      /* length of waiters */
    enum flight_kind kind; /* set once */
    enum flight_state state; /* guarded */
    _Atomic unsigned refs;   /* atomic */
    int fell_back;           /* guarded: the peer could not be used */
    int instead;             /* guarded: FLIGHT_LOCAL, of a peer's key: counts in group.instead */
    int from_peer;           /* set once: opened by a peer's request */
    int nested;              /* set once: opened by a getter of this node */
    int renews;              /* set once: the key has a live value here, so no other node is to be
                              * asked for what it holds */
    uint32_t hash;           /* set once */
    uint32_t key_len;        /* set once */
    char key[];              /* set once */
};

/* The loader's, of a group with max_keys: the loads that gather for the next call of its getter,
 * and the calls that run (script/calls.h). */
struct calls {
    struct flight *first; /* borrowed: the load that further ones may join, or NULL */
    struct list list;     /* struct call, owned, newest first */
    unsigned expected;    /* so many keys came in the call that ended last */
    uint64_t expect_until_ms;
};

struct flights;

struct flights *flights_new(void);
void flights_free(struct flights *fs); /* must be empty; NULL is fine */

/* The open flight of that key that is not outdated, borrowed, or NULL. */
struct flight *flights_find(const struct flights *fs, const struct key_ref *k);

/* Opens a flight. The table holds one reference, the caller gets another. Cheap while deadlines do
 * not decrease from call to call. NULL when there is no memory. */
struct flight *flights_open(struct flights *fs, const struct key_ref *k, uint64_t deadline_ms);

/* Adds w to an open flight. */
void flight_join(struct flight *f, struct waiter *w);

/* Takes w off the flight it waits for. 0 when its flight has ended: wake() was called, or is about
 * to be. */
int flight_leave(struct waiter *w);

/* Ends an open flight: unhooks it and moves its waiters to `woken`. The table's reference becomes
 * the caller's. */
void flights_end(struct flights *fs, struct flight *f, struct list *woken);

/* The loader's thread: the flight's getter begins now. */
void flight_begins(struct flight *f);

/* The key of an open flight, or every key, was changed. */
void flight_outdate(struct flight *f);
void flights_outdate_all(struct flights *fs); /* O(1) */
int flights_outdated(const struct flights *fs, const struct flight *f);

/* The open flight with the earliest deadline, borrowed, or NULL. */
struct flight *flights_oldest(const struct flights *fs);
size_t flights_count(const struct flights *fs);

/* The flight's key; valid as long as the flight. */
static inline struct key_ref flight_key(const struct flight *f)
{
    return (struct key_ref){f->key, f->key_len, f->hash};
}

struct flight *flight_ref(struct flight *f);

/* Drops a reference. 1 when it was the last: the flight is freed, and the caller drops the
 * reference to the group that the flight held. */
int flight_unref(struct flight *f);

#endif
