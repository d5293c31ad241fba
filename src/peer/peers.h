/* SPDX-License-Identifier: MIT */
/* peers.h - the peers: the owner of a key, and loads from peers.
 *
 * A struct peers holds a snapshot of the list and its ring. peers_set() builds a new snapshot and
 * swaps it in, so readers never wait for it to be built. It is the remote half of a group's loader.
 * Any thread. */
#ifndef PEERS_H
#define PEERS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "peer/health.h"
#include "wire/dialect.h"

struct address;
struct auth;
struct buf;
struct flight;
struct net;
struct peer;
struct peers;

/* X(type, name): the settings of a node that its peers are made with (node/settings.h). */
#define PEERS_SETTINGS(X)                                                                          \
    X(enum dialect, dialect)                                                                       \
    X(const char *, base_path)      /* starts and ends with a slash */                             \
    X(enum hash_kind, hash)         /* of the ring, among the dialect's */                         \
    X(uint64_t, replicas)           /* points a peer has on the ring */                            \
    X(const char *, ring_scheme)    /* "http" or "https": of every peer's text on the ring; NULL:  \
                                     * that of its URL */                                          \
    X(uint64_t, connect_timeout_ms) /* of an exchange; the load bounds its answer */

struct peers_opts {
    struct auth *auth; /* borrowed: signs requests; NULL: they are not signed */
    /* NULL, or called after peers_set() for each peer that the list did not have before. No load is
     * sent to it before peers_admit(). It was in no list since `since_ms`, of clock_ms(). */
    void (*joined)(void *ctx, struct peer *peer, uint64_t since_ms);
    void *ctx;
    const char *self; /* this node's URL, byte for byte as in every node's list */
#define X(type, name) type name;
    PEERS_SETTINGS(X)
#undef X
};

enum { PEERS_WARM_MS = 60000 /* so long a list is new (handover.h) */ };

/* One line of /stats. */
struct peer_stats {
    const char *url;
    int self;
    uint64_t loads;           /* used answers, with errors of the owner's getter */
    uint64_t errors;          /* failed loads and unusable answers */
    uint64_t batches;         /* exchanges for several keys */
    int ours;                 /* known to be a node of ours */
    const char *state;        /* of its health: "fine", "suspect", "ejected", "probing" */
    int is_in[HEALTH_STATES]; /* 1 at its state, else 0 */
    int up;                   /* loads are sent to it */
    uint64_t share;           /* of the ring, and so of all keys, in millionths */
    uint64_t ejections;       /* how often it was taken out of use */
    uint64_t hedges;     /* loads that were sent to the next owner, for want of a sign of life */
    const char *view;    /* its ring, as it says: "unknown", "same", "differs" from ours */
    int disagrees;       /* 1: it differs */
    const char *differs; /* in what; else NULL */
};

/* Copies the options; borrows net, which outlives it. The list is empty at first: every key is
 * ours. */
struct peers *peers_new(const struct peers_opts *o, struct net *net);
struct peers *peers_like(const struct peers *p); /* the same options, an empty list */
void peers_free(struct peers *p);                /* no load may be under way; NULL is fine */

/* Replaces the list by a copy. An empty list means that this node is alone. INVAL: self is missing
 * from a list that is not empty, or a peer is listed twice or is not a URL of the form
 * http[s]://host[:port]. Then the list is unchanged. With a
 * ring_scheme, the schemes of URLs make no difference: self may be listed with another. */
enum err peers_set(struct peers *p, const char *const *urls, size_t n, struct error *e);

/* Returns the error of peers_set(), and changes nothing. */
enum err peers_check(const struct peers *p, const char *const *urls, size_t n, struct error *e);

/* When the list was last set to another one, in clock_ms() time; the start counts. */
uint64_t peers_changed_ms(const struct peers *p);

/* Appends the URLs of the list, each with a line end. */
void peers_put(struct peers *p, struct buf *out);

/* Functions of a struct loader; ctx is the peers. If the owner is ejected, the next owner in the
 * order of the ring takes its place. */
struct peer *peers_owner(void *ctx, const void *key, size_t key_len);
void peers_disown(void *ctx, struct peer *owner);
void peer_queue_load(void *ctx, struct flight *f, struct peer *owner);

/* The same for a local load before which that peer is asked for what it holds (handover.h). */
void peer_queue_handover(struct flight *f, struct peer *from);
/* Whether the ring gives the key to this node, also if another node stands in for its owner. */
int peers_is_ours(struct peers *p, const void *key, size_t key_len);

/* Loads that this thread queues between the two calls (peer_queue_load()) start together at the
 * second call. */
void peer_queue_hold(void);
void peer_queue_release(void);

/* The URL of the key's owner, or of the owner that is asked now if `usable` is 1: the caller frees
 * it. NULL without peers. */
char *peers_owner_url(struct peers *p, const void *key, size_t key_len, int usable);

/* Whether a listed peer, this node too, has that address. The names of peers are looked up in the
 * background: if the answer is no, they are looked up again, once a second at most. */
int peers_are_at(struct peers *p, const struct address *a);

/* Loads may be sent to a peer that has joined. */
void peers_admit(struct peer *peer);
/* How many are listed, this node too. */
size_t peers_count(struct peers *p);

/* Calls fn for each peer in list order, with the list held: fn must not call peers_set(). */
void peers_each(struct peers *p, void (*fn)(void *arg, const struct peer_stats *s), void *arg);

#endif
