/* SPDX-License-Identifier: MIT */
/* peer_in.h - what the files of peer/ and change/ share.
 *
 * peers.c has the list, queue.c the loads that wait for a peer. get.c has one load by a GET that
 * every server of the family accepts, batch.c many loads in one exchange with a node of ours.
 * attempt.c has how a load at a peer ends and where it goes next, health_watch.c which peers live,
 * by health.c. tell.c has changes of keys. */
#ifndef PEER_IN_H
#define PEER_IN_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/inbox.h"
#include "base/list.h"
#include "base/seldom.h"
#include "base/timers.h"
#include "peer/agree.h"
#include "peer/departed.h"
#include "peer/health.h"
#include "peer/peers.h"
#include "wire/batch.h"
#include "wire/until.h"

struct balance;
struct buf;
struct fetch;
struct fetch_opts;
struct group;
struct name;
struct names;
struct ring;

/* The kind of server at a peer's URL, by the last answer that told. */
enum peer_kind { PEER_UNKNOWN, PEER_OURS, PEER_OTHER };

struct peer {
    _Atomic unsigned refs;
    struct peers *peers; /* set once, borrowed, like all down to self */
    char *url;
    int self;
    struct name *name; /* of its host; NULL: the URL has the address in digits, which is below */
    struct address address;
    _Atomic enum peer_kind kind; /* atomic */
    atomic_uint_fast64_t loads, errors, batches, ejections, hedges;
    atomic_int waits;       /* not 0: it has joined, and is sent no loads yet; 2: that was told */
    struct seldom failures; /* of loads, for the log */
    atomic_int distrusted;  /* 1: the log says that certificates keep it from being used */
    struct agree agree;
    atomic_uint_fast64_t lost_ms; /* clock_real_ms() of the last failure to connect; 0: none */
    atomic_uint cuts; /* connections in a row that it ended instead of answering to a change */

    /* The network thread's (health_watch.c), except what is atomic. */
    _Atomic enum health_state state; /* atomic: health.state, for other threads */
    atomic_int silent;               /* the same of health.silent */
    struct health health;
    uint64_t wavered_ms; /* the last log line that it is suspect, or is so no more; 0: none */
    struct list watched; /* in peers.watched, with a reference, or alone */
    struct list calls;   /* peer_call.link: exchanges under way, oldest first */

    struct msg flush; /* while scheduled, on its way to the network thread with a reference */
    pthread_mutex_t mu;
    struct list queue;  /* guarded by mu: flight.queued; loads to be started together */
    int scheduled;      /* guarded by mu */
    struct until until; /* guarded by mu: its clock for sets */
};

struct view {
    struct ring *ring;
    struct balance *balance; /* may be NULL */
    struct peer **list;      /* with references */
    struct peer **by_url;    /* the same in the order of the URLs, without: view.h */
    uint32_t *shares;        /* owned: of each, ring_shares() */
    size_t n;
    char text[OUTLINE_TEXT]; /* outline_put() */
};

struct peers {
    struct peers_opts opts;           /* set once; strings are ours */
    struct net *net;                  /* set once */
    struct names *names;              /* set once: a reference */
    char *from;                       /* set once: the request header with this node's URL */
    atomic_int warned;                /* that the ring is out of balance */
    atomic_int has_ejected;           /* 1: a peer was ejected at some time */
    atomic_uint_fast64_t changed_ms;  /* written under lock: the list was set to another one then */
    atomic_uint_fast64_t stood_in_ms; /* stand_in_noted_ms() */
    atomic_uint_fast64_t warm_ms;     /* until then former owners are asked (handover.c) */
    atomic_uint generation;           /* the same: how often that has happened */
    struct list watched;              /* the network thread's, like timer: peer.watched */
    struct timer timer;
    uint64_t looked_ms; /* the last run of the timer, or when it was set */
    uint64_t lost_ms;   /* how much later than they should the runs were, together */
    pthread_mutex_t agree_mu;
    atomic_int differing;              /* listed peers in AGREE_DIFFERS */
    struct agree stranger;             /* of a node that asks here and is not in the list */
    char stranger_url[AGREE_STRANGER]; /* guarded by agree_mu */
    pthread_rwlock_t lock;
    struct view view; /* guarded by lock, like the rest */
    struct departed departed;
};

struct peer *peer_ref(struct peer *p);
void peer_unref(struct peer *p); /* NULL is fine */

/* --- peers.c: for changes --- */

/* The key's owner, perhaps this node: a reference; NULL without peers. */
struct peer *peers_place(struct peers *p, const void *key, size_t key_len);

/* Whether the peer is the key's owner. */
int peers_owns(struct peers *p, const struct peer *peer, const void *key, size_t key_len);

/* Whether loads may be sent to it. */
int peers_is_usable(const struct peer *p);

/* Whether the list has that peer. */
int peers_have(struct peers *p, const struct peer *peer);

/* A peer that the list may lack, by its URL: a reference, or NULL if the URL is useless. */
struct peer *peers_find_or_make(struct peers *p, const char *url);

/* The first owner of the key in the order of the ring that can be used, other than `but`: a
 * reference, or NULL when it is this node. */
struct peer *peers_next(struct peers *p, const void *key, size_t key_len, const struct peer *but);

/* The first owner of the key in the order of the ring that can be used, other than this node: a
 * reference, or NULL. Without this node in the list it is the owner. */
struct peer *peers_successor(struct peers *p, const void *key, size_t key_len);

/* All peers, with references, in a list that the caller frees; *n is 0 without peers. */
struct peer **peers_list(struct peers *p, size_t *n);

/* --- contact.c: what all exchanges with a peer have in common --- */

enum { CONTACT_HEADERS = 3 /* at most */ };

/* Fills in the options of an exchange on o->lane, and appends its common headers to `headers`, of
 * which o->n_headers are used. o borrows both arrays. */
void contact_begin(struct peer *peer, struct fetch_opts *o, const char **headers,
                   char line[AGREE_LINE]);

/* Network thread: an exchange that was no question has ended. */
void contact_end(struct peer *peer, struct fetch *f);

/* Whether it could not be reached since a clock_real_ms() time. */
int contact_was_lost(const struct peer *peer, uint64_t after_ms);

/* The peer cannot be reached: addresses of its name that are known by now are used no more. */
void contact_lost(struct peer *peer);

/* --- get.c --- */

enum {
    PEER_ENVELOPE_BYTES =
        BATCH_EXTRA_MAX +
        64, /* the bytes of an answer around its value, with room for unknown fields */
    PEER_MESSAGE_BYTES = 200 /* bytes of a peer's error text that we pass on */
};

/* Network thread: asks for one key. Takes both references. */
void peer_get(struct peer *peer, struct flight *f);

/* Describes a useless status, with the peer's text about it. */
/* Puts the first line of an answer's body, as much of it as fits, with a NUL. */
void peer_get_first_line(struct fetch *f, char *out, size_t size);

void peer_get_refusal(const struct peers *p, struct fetch *f, char *out, size_t size);

/* Notes whether the answer came from a node of ours. */
void peer_recognise(struct peer *peer, struct fetch *f);

/* --- attempt.c: how a load at a peer ends; the network thread --- */

/* The load is about to be sent to that peer, the first or the second that is asked. Any thread. */
void attempt_begin(struct peer *peer, struct flight *f);

/* The peer shows no sign of life: the load is also sent to the next owner. 0: it was before, or has
 * no time left. */
int attempt_hedge(struct peer *peer, struct flight *f);

/* These drop the attempt's reference. After attempt_unusable() the load goes to the next owner,
 * then to our getter. */
struct peer_value {
    const char *bytes;
    size_t n;
    uint64_t expires_ms, age_s;
    int stale;
    int other_ring;    /* the peer said that it has another ring */
    double minute_qps; /* the owner's gets of the key; 0: unknown */
    const char *extra; /* not checked yet */
    size_t extra_len;
};
void attempt_give(struct peer *peer, struct flight *f, const struct peer_value *v);
struct peer_failure {
    enum err code;
    uint64_t expires_ms; /* as in struct result */
    int other_ring;
    const char *text;
    size_t n;
};
void attempt_give_error(struct peer *peer, struct flight *f, const struct peer_failure *e);
void attempt_unusable(struct peer *peer, struct flight *f, const char *why);

/* The exchange itself failed with e: ends the load by a function above, or with TIMEOUT. */
void attempt_failed(struct peer *peer, struct flight *f, struct fetch *fetch,
                    const struct error *e);

/* This node could not send the request. */
void attempt_not_sent(struct flight *f, const struct error *e);

/* Milliseconds left of f, at least 1. */
uint64_t attempt_left_ms(const struct flight *f);

/* The expiry of a value here, from the ttl_ms left at its owner, which may be unknown. */
uint64_t attempt_expiry_ms(const struct flight *f, int has_ttl, uint64_t ttl_ms);

/* --- health_watch.c: which peers live; the network thread --- */

/* What an answer says of the peer's health. */
enum verdict {
    VERDICT_NONE,    /* nothing, or there was no answer: the fetch tells */
    VERDICT_ANSWER,  /* the peer does its work */
    VERDICT_BROKEN,  /* it makes no sense */
    VERDICT_DOUBTFUL /* a server in trouble, or a getter's error: the peer is asked */
};

/* An exchange with loads, or about a change; embedded in it, from health_watch_begin() to
 * health_watch_end(). */
struct peer_call {
    struct list link;
    struct peer *peer;       /* borrowed */
    struct flight **flights; /* borrowed; NULL: has ended */
    size_t n;
    uint64_t since_ms;
    uint64_t until_ms; /* of clock_ms(), when it has no loads, which have their own deadlines */
    /* NULL, or called when the peer is out of use and the call is older than the shortest patience,
     * perhaps more than once: ends the call soon. A peer that says itself that it is not ready may
     * still answer. */
    void (*give_up)(struct peer_call *c);
};

void health_watch_begin(struct peer_call *c);
void health_watch_drop(struct peer_call *c); /* it was not sent */
void health_watch_heard(struct peer *peer);  /* any bytes of an answer */
void health_watch_end(struct peer_call *c, struct fetch *f, enum verdict verdict);

/* --- batch.c --- */

/* Appends the URL of a batch: the group, without a key, and a NUL. */
enum err peer_batch_put_url(struct buf *out, const struct peer *peer, const struct group *g);

/* Appends the header that the answer to this batch must have (fetch_opts.echo). */
enum err peer_batch_put_echo(struct buf *out, const struct group *g, const struct buf *body);

/* Network thread: sends a batch about the keys of n flights, at least one, all of one group. The
 * caller has set timeout_ms, max_bytes and the functions of *o; the rest is filled in. Returns a
 * reference. NULL and e: the request was not sent. */
struct fetch *peer_batch_send(struct peer *peer, enum batch_op op, struct flight *const *flights,
                              size_t n, struct fetch_opts *o, struct error *e);

/* Network thread: asks for all keys on the list (flight.queued), all of one group. Takes the
 * flights' references, borrows the peer. */
void peer_batch(struct peer *peer, struct list *flights, size_t n);

/* --- tell.c --- */

struct tell_ring {
    int differs;          /* from ours */
    uint64_t since_ms;    /* since its list has changed: at most, when this is called */
    uint64_t stood_in_ms; /* the same since it was asked in place of an owner; UINT64_MAX: never */
    const char *urls;     /* of its list if it differs, each with a line end; n bytes; borrowed */
    size_t n;
};

struct tell_opts {
    struct group *group; /* borrowed for the call */
    const struct batch_request *what;
    uint64_t timeout_ms;
    /* Called once, on the network thread or before peer_tell() returns. ERR_OK: the node has done
     * it, or had nothing to do. ERR_INVAL: the peer cannot be told at all, since it is no node of
     * ours, or no node. ERR_TOOBIG, ERR_NOMEM: its answer to a set. */
    void (*done)(void *ctx, enum err code, const char *text);
    /* NULL, or called before done, on the network thread, with what a node of ours says of its
     * ring. */
    void (*ring)(void *ctx, const struct tell_ring *r);
    /* Called before done with the body of a node of ours that has done it; NULL: it is of no
     * interest. */
    void (*answer)(void *ctx, const void *body, size_t n);
    void *ctx;
};

/* Any thread: tells a node of a change. Copies everything. Fails soon if the peer is out of use and
 * stays silent; but a set that was sent, and may still be carried out, does not fail before it no
 * longer may (wire/until.h). */
void peer_tell(struct peer *peer, const struct tell_opts *o);

#endif
