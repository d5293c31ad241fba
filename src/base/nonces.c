/* SPDX-License-Identifier: MIT */
/* nonces.c - the numbers in the order of their arrival, in a ring, and a hash index over it.
 *
 * The index has open addressing, and is at most half full. All numbers live equally long, so the
 * oldest one expires first. It is deleted by moving later entries back (Knuth, volume 3, 6.4,
 * algorithm R). */
#include "base/nonces.h"

#include <pthread.h>
#include <string.h>

#include "base/mem.h"

enum { FIRST = 1024 };

struct entry {
    uint64_t number, expires_ms;
};

struct nonces {
    pthread_mutex_t mu;
    uint64_t keep_ms; /* set once, as is the next */
    size_t most;
    struct entry *ring; /* guarded by mu, as is all below */
    uint64_t *index;    /* 2 * cap numbers; 0: free */
    size_t cap, first, n;
};

struct nonces *nonces_new(size_t most, uint64_t keep_ms)
{
    struct nonces *ns = mem_zalloc(sizeof(*ns));

    pthread_mutex_init(&ns->mu, NULL);
    ns->most = most;
    ns->keep_ms = keep_ms;
    return ns;
}

void nonces_free(struct nonces *ns)
{
    if (!ns)
        return;
    pthread_mutex_destroy(&ns->mu);
    mem_free(ns->ring);
    mem_free(ns->index);
    mem_free(ns);
}

static size_t slots(const struct nonces *ns)
{
    return 2 * ns->cap;
}

/* The lowest bit is always 1. */
static size_t home_of(const struct nonces *ns, uint64_t number)
{
    return (size_t)(number >> 1) & (slots(ns) - 1);
}

/* The slot of a number, or the free slot where it belongs. cap is a power of two. */
static size_t slot_of(const struct nonces *ns, uint64_t number)
{
    size_t i = home_of(ns, number);

    while (ns->index[i] && ns->index[i] != number)
        i = (i + 1) & (slots(ns) - 1);
    return i;
}

static void delete (struct nonces *ns, uint64_t number)
{
    size_t mask = slots(ns) - 1, hole = slot_of(ns, number), i = hole;

    for (;;) {
        ns->index[hole] = 0;
        do {
            i = (i + 1) & mask;
            if (!ns->index[i])
                return;
        } while (((i - home_of(ns, ns->index[i])) & mask) < ((i - hole) & mask));
        ns->index[hole] = ns->index[i];
        hole = i;
    }
}

static void expire(struct nonces *ns, uint64_t now_ms)
{
    while (ns->n && ns->ring[ns->first].expires_ms <= now_ms) {
        delete (ns, ns->ring[ns->first].number);
        ns->first = (ns->first + 1) & (ns->cap - 1);
        ns->n--;
    }
}

/* Doubles the room. 0: there is no memory. */
static int grow(struct nonces *ns)
{
    struct nonces next = {.cap = ns->cap ? 2 * ns->cap : FIRST};
    size_t i;

    next.ring = mem_alloc(next.cap * sizeof(*next.ring));
    next.index = mem_alloc(slots(&next) * sizeof(*next.index));
    if (!next.ring || !next.index) {
        mem_free(next.ring);
        mem_free(next.index);
        return 0;
    }
    memset(next.index, 0, slots(&next) * sizeof(*next.index));
    for (i = 0; i < ns->n; i++) {
        next.ring[i] = ns->ring[(ns->first + i) & (ns->cap - 1)];
        next.index[slot_of(&next, next.ring[i].number)] = next.ring[i].number;
    }
    mem_free(ns->ring);
    mem_free(ns->index);
    ns->ring = next.ring;
    ns->index = next.index;
    ns->cap = next.cap;
    ns->first = 0;
    return 1;
}

static enum nonces_word use(struct nonces *ns, uint64_t number, uint64_t now_ms)
{
    size_t i;

    if (ns->n)
        expire(ns, now_ms);
    if (ns->cap && ns->index[slot_of(ns, number)])
        return NONCES_USED;
    if (ns->n == ns->most || (ns->n == ns->cap && !grow(ns)))
        return NONCES_FULL;
    i = (ns->first + ns->n++) & (ns->cap - 1);
    ns->ring[i] = (struct entry){number, now_ms + ns->keep_ms};
    ns->index[slot_of(ns, number)] = number;
    return NONCES_NEW;
}

enum nonces_word nonces_use(struct nonces *ns, const unsigned char nonce[NONCE_BYTES],
                            uint64_t now_ms)
{
    enum nonces_word word;
    uint64_t halves[2], number;

    memcpy(halves, nonce, sizeof(halves));
    number = (halves[0] ^ halves[1]) | 1; /* 0 is a free slot */
    pthread_mutex_lock(&ns->mu);
    word = use(ns, number, now_ms);
    pthread_mutex_unlock(&ns->mu);
    return word;
}
