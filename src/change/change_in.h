/* SPDX-License-Identifier: MIT */
/* change_in.h - what change.c, which makes a change, and retry.c, which tells those again who did
 * not confirm, share; for these two only. */
#ifndef CHANGE_IN_H
#define CHANGE_IN_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/list.h"
#include "change/change.h"

struct peer;

/* A list of keys and their bytes, in one allocation. */
struct keys {
    struct key *list;
    size_t n;
};

/* NOMEM leaves *out empty. */
enum err keys_copy(struct keys *out, const struct key *keys, size_t n);
void keys_free(struct keys *k);

struct changes {
    struct peers *(*peers_of)(const struct group *g); /* set once */
    pthread_mutex_t mu;
    struct list pending; /* guarded by mu: struct retry */
    size_t n_pending;    /* guarded by mu */
};

/* A node that did not confirm. */
struct missing {
    struct missing *next;
    struct peer *peer; /* a reference */
    int owner;         /* in the first step: others may have fetched from it since */
    int hopeless;      /* telling it again is of no use */
    struct error why;
};

struct change {
    struct changes *changes; /* set once, like all down to ctx */
    struct group *group;     /* a reference */
    struct peers *peers;     /* borrowed */
    int alone;               /* there is no other node */
    enum batch_op op;
    struct keys keys;
    char *value;
    size_t value_len;
    int has_ttl;
    uint64_t ttl_ms;
    uint64_t until_ms; /* both steps */
    void (*done)(void *ctx, const struct change_result *r);
    void *ctx;

    int step;            /* whoever starts the step, like here and owner */
    int here;            /* this node owns the one key, by the ring of step 1, and has done it */
    struct peer *owner;  /* or another does: a reference */
    _Atomic size_t left; /* atomic: exchanges of the step, and its start */
    pthread_mutex_t mu;
    struct error err;        /* guarded by mu while a step is under way, like all that follows */
    struct missing *missing; /* newest first */
    size_t n_missing;
};

/* Any thread: the node is to be told again. */
void retry_add(struct change *c, const struct missing *m);

/* The second step alone: an owner that was late has confirmed. */
void change_again(struct changes *cs, struct group *g, enum batch_op op, const struct keys *keys);

#endif
