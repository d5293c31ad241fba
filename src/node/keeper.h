/* SPDX-License-Identifier: MIT */
/* keeper.h - the lists of peers of a node and of its groups: who may replace them, and from where
 * they come.
 *
 * A list is typed, or comes from a source such as etcd. Then the keeper of the list is Lua code in
 * the VM of the control worker (groupcache.discover.keeper). At a reload the next control worker's
 * VM becomes the keeper, in the moment in which the lists are swapped. So a list of an earlier
 * script never replaces one of a later script.
 *
 * Any thread, unless a function says otherwise. Under the lock only peers_opts.joined is called. */
#ifndef KEEPER_H
#define KEEPER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

#include "base/err.h"

struct buf;
struct groups;
struct peers;
struct vm;

/* Embedded in a node. */
struct keeper {
    pthread_mutex_t mu;
    struct peers *peers;       /* borrowed, set once; NULL before there are any */
    struct groups *groups;     /* borrowed, set once */
    const struct vm *vm;       /* guarded by mu, like the next two: who may call keeper_set() */
    char *source;              /* of the node's list; NULL: it is typed */
    char *sources;             /* of all lists, each ended by a line end; never NULL */
    pthread_mutex_t status_mu; /* under mu, or alone: /stats does not wait while a ring is made */
    char *status;              /* guarded by status_mu: what keeper_tell() was given, or NULL */
};

/* Where the lists of a script come from. */
struct keeper_list {
    const char *const *peers; /* the node's typed list: URLs, self among them */
    size_t n_peers;           /* 0: this node alone */
    const char *source;       /* the name of the source of the node's list; NULL: it is typed */
    const char *sources;      /* of all lists, each ended by a line end; NULL: none */
};

void keeper_init(struct keeper *k, struct groups *groups);
void keeper_deinit(struct keeper *k); /* no thread uses it any more */

/* The node's thread: the lists change between the two, and are those of another script. */
void keeper_lock(struct keeper *k);
void keeper_unlock(struct keeper *k);

/* Under the lock: `vm` keeps the lists from now on. Sets the typed list; a list with a source stays
 * as it is. INVAL: as peers_set() says, and nothing has changed. */
enum err keeper_take_over(struct keeper *k, const struct vm *vm, const struct keeper_list *list,
                          struct error *e);

/* The node leaves its cluster: no source goes on. */
void keeper_end(struct keeper *k);

/* Whether a source goes on: the script of the node has it. */
int keeper_goes_on(struct keeper *k, const char *source);

/* The keeper: replaces a list that has a source. URLs, each ended by a line end; "" is this node
 * alone. group NULL: the node's. CLOSED: `vm` is not the keeper any more; NOTFOUND: no such group;
 * INVAL: the list is typed, or as peers_set() says. */
enum err keeper_set(struct keeper *k, const struct vm *vm, const char *group, const char *urls,
                    struct error *e);

/* The keeper: what /stats says of the sources, a JSON list of n bytes. */
void keeper_tell(struct keeper *k, const struct vm *vm, const char *json, size_t n);

/* Appends the list that is used now: URLs, each ended by a line end. group NULL, or a group without
 * a list of its own: the node's. */
void keeper_list_put(struct keeper *k, const char *group, struct buf *out);

/* Replaces a typed list, until the next reload. INVAL: it has a source, or as peers_set() says.
 * NOTFOUND: no such group. urls NULL: the group has the node's list. */
enum err keeper_set_typed(struct keeper *k, const char *const *urls, size_t n, struct error *e);
enum err keeper_set_typed_of(struct keeper *k, const char *group, const char *urls,
                             struct error *e);

/* Appends the JSON list that keeper_tell() was given, in ASCII. Does not wait for the lock. */
void keeper_put(struct keeper *k, struct buf *out);

#endif
