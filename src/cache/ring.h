/* SPDX-License-Identifier: MIT */
/* ring.h - where a key lives: consistent hashing exactly as the Go family does it.
 *
 * A ring is an immutable snapshot: build it, publish it, drop it. Any number of threads may read
 * one. Peers are told apart by their place in the list it was built from; names are not kept. */
#ifndef RING_H
#define RING_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* How points and keys are hashed, and who wins when two points fall together. */
enum ring_kind {
    /* golang/groupcache: crc32-IEEE of "<i><peer>" and of the key; of equal points the peer that
     * stands last in the list wins */
    RING_CRC32
};

enum { RING_MAX_REPLICAS = 10000, RING_MAX_POINTS = 100 * 1000 * 1000 };

struct ring;

/* Builds a ring of n peers with `replicas` points each. n == 0 gives a ring that owns nothing.
 * Returns NULL and fills e for replicas out of range or no memory. */
struct ring *ring_new(enum ring_kind kind, const char *const *peers, size_t n, unsigned replicas,
                      struct error *e);
void ring_free(struct ring *r); /* NULL is fine */

/* The place in the list of the peer that owns the key, SIZE_MAX when the ring is empty. */
size_t ring_owner(const struct ring *r, const void *key, size_t key_len);

#endif
