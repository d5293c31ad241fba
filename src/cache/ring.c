/* SPDX-License-Identifier: MIT */
/* ring.c - points sorted by hash, and an index into them.
 *
 * The owner of a key is the first point at or after the key's hash, the first of all when there is
 * none. Go finds it by binary search; here the top bits of the hash choose a slot of an index that
 * has about one slot a point, and a step or two from there is enough. Points and keys are spread by
 * the same hash, so the slots are evenly filled. */
#include "cache/ring.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"

struct point {
    uint32_t hash;
    uint32_t peer;
};

struct ring {
    struct point *points; /* owned, sorted by hash, no hash twice */
    size_t n;
    uint32_t *index; /* owned; index[s]: the first point with hash >> shift >= s */
    unsigned shift;  /* 32 - bits of the index */
};

static int by_hash_then_peer(const void *a, const void *b)
{
    const struct point *x = a, *y = b;

    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    return x->peer < y->peer ? -1 : x->peer > y->peer;
}

/* "<i><peer>", the index in decimal. Returns the hash; name has room for both. */
static uint32_t point_hash(char *name, unsigned i, const char *peer, size_t peer_len)
{
    size_t n = (size_t)sprintf(name, "%u", i);

    memcpy(name + n, peer, peer_len);
    return hash_crc32(name, n + peer_len);
}

static enum err fill(struct ring *r, const char *const *peers, size_t n, unsigned replicas)
{
    size_t p, longest = 0, kept = 0, total = n * replicas, k;
    char *name;
    unsigned i;

    for (p = 0; p < n; p++)
        longest = strlen(peers[p]) > longest ? strlen(peers[p]) : longest;
    name = mem_alloc(longest + 16);
    if (!name)
        return ERR_NOMEM;
    for (p = 0, k = 0; p < n; p++) {
        for (i = 0; i < replicas; i++, k++) {
            r->points[k].hash = point_hash(name, i, peers[p], strlen(peers[p]));
            r->points[k].peer = (uint32_t)p;
        }
    }
    mem_free(name);
    qsort(r->points, total, sizeof(struct point), by_hash_then_peer);
    for (k = 0; k < total; k++) { /* of equal hashes the last peer stays, as in Go's map */
        if (k + 1 < total && r->points[k].hash == r->points[k + 1].hash)
            continue;
        r->points[kept++] = r->points[k];
    }
    r->n = kept;
    return ERR_OK;
}

static enum err build_index(struct ring *r)
{
    unsigned bits = 1;
    size_t slots, s, k = 0;

    while (bits < 24 && ((size_t)1 << bits) < r->n)
        bits++;
    slots = (size_t)1 << bits;
    r->shift = 32 - bits;
    r->index = mem_alloc(slots * sizeof(*r->index));
    if (!r->index)
        return ERR_NOMEM;
    for (s = 0; s < slots; s++) {
        while (k < r->n && r->points[k].hash >> r->shift < s)
            k++;
        r->index[s] = (uint32_t)k;
    }
    return ERR_OK;
}

struct ring *ring_new(enum ring_kind kind, const char *const *peers, size_t n, unsigned replicas,
                      struct error *e)
{
    struct ring *r;

    (void)kind; /* one kind so far */
    if (replicas < 1 || replicas > RING_MAX_REPLICAS || n > RING_MAX_POINTS / replicas) {
        error_set(e, ERR_INVAL,
                  "a ring of %zu peers with %u replicas each: replicas are 1 to %d, "
                  "points at most %d",
                  n, replicas, RING_MAX_REPLICAS, RING_MAX_POINTS);
        return NULL;
    }
    r = mem_zalloc(sizeof(*r));
    if (n == 0)
        return r;
    r->points = mem_alloc(n * replicas * sizeof(struct point));
    if (!r->points || fill(r, peers, n, replicas) || build_index(r)) {
        error_set(e, ERR_NOMEM, "no memory for a ring of %zu points", n * replicas);
        ring_free(r);
        return NULL;
    }
    return r;
}

void ring_free(struct ring *r)
{
    if (!r)
        return;
    mem_free(r->points);
    mem_free(r->index);
    mem_free(r);
}

size_t ring_owner(const struct ring *r, const void *key, size_t key_len)
{
    uint32_t hash;
    size_t k;

    if (!r->n)
        return SIZE_MAX;
    hash = hash_crc32(key, key_len);
    for (k = r->index[hash >> r->shift]; k < r->n && r->points[k].hash < hash; k++)
        ;
    return r->points[k < r->n ? k : 0].peer;
}
