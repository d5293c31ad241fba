/* SPDX-License-Identifier: MIT */
/* ring.h - the owner of a key: consistent hashing exactly as the Go family does it.
 *
 * A ring is an immutable snapshot: build it, publish it, drop it. Any number of threads may read
 * one. A peer is known by its place in the list that the ring was built from; names are not kept.
 */
#ifndef RING_H
#define RING_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/hash.h"

/* The text that is hashed for the i-th point of a peer. A key's own bytes are hashed. If points are
 * equal, the last peer in the list wins. */
enum ring_points {
    RING_PLAIN, /* golang/groupcache: "<i><peer>" */
    RING_MD5    /* its forks: the MD5 of that, in lower-case hex */
};

enum { RING_MAX_REPLICAS = 10000, RING_MAX_POINTS = 100 * 1000 * 1000 };

struct ring;

/* Builds a ring of n peers with `replicas` points each. If n is 0, the ring owns nothing. NULL and
 * e: replicas out of range, or no memory. */
struct ring *ring_new(enum hash_kind hash, enum ring_points points, const char *const *peers,
                      size_t n, unsigned replicas, struct error *e);
void ring_free(struct ring *r); /* NULL is fine */

/* The place in the list of the peer that owns the key, SIZE_MAX when the ring is empty. */
size_t ring_owner(const struct ring *r, const void *key, size_t key_len);

/* Fills in the part of the circle that each of the n peers owns, in millionths. `shares` is all
 * zero. */
void ring_shares(const struct ring *r, uint32_t *shares, size_t n);

/* The first peer in the order of the ring, from the key on, that skip() does not return 1 for: the
 * next owner of the key when the ones before it cannot be used. All nodes with the same list find
 * the same one. SIZE_MAX: none. */
size_t ring_next(const struct ring *r, const void *key, size_t key_len,
                 int (*skip)(void *arg, size_t peer), void *arg);

#endif
