/* SPDX-License-Identifier: MIT */
/* popular.h - the keys that are asked for most, in a bounded table.
 *
 * Space-Saving (Metwally, Agrawal, El Abbadi: "Efficient Computation of Frequent and Top-k Elements
 * in Data Streams", 2005): a key that is not in the table takes the place of the key with the least
 * count and goes on from that count. So a count is never below the gets of the key, and above by
 * `error` at most. A key with more than 1/POPULAR_KEYS of all gets is always in the table. Counts
 * are halved every POPULAR_HALF_MS, so old gets are forgotten.
 *
 * The caller may count one get in several, for all of them. All zero bytes is an empty table. It
 * has no lock: the caller's mutex guards it. */
#ifndef POPULAR_H
#define POPULAR_H

#include <stddef.h>
#include <stdint.h>

#include "base/key.h"

enum { POPULAR_KEYS = 32, POPULAR_KEY_BYTES = 64, POPULAR_HALF_MS = 10000 };

struct popular_key {
    uint32_t count, error;
    uint32_t hash;
    uint32_t key_len;            /* of the whole key; 0 and no count: a free place */
    char key[POPULAR_KEY_BYTES]; /* its first bytes */
};

struct popular {
    struct popular_key keys[POPULAR_KEYS];
    uint64_t halved_ms;
};

/* Counts `times` gets of a key. Keys with the same hash and length are taken for one. */
void popular_add(struct popular *p, const struct key_ref *k, uint32_t times);

/* Lets time pass: to be called a few times in POPULAR_HALF_MS. */
void popular_tick(struct popular *p, uint64_t now_ms);

/* Copies the keys whose counts are worth more than their errors into `out`, the most popular first.
 * Returns how many. */
size_t popular_list(const struct popular *p, struct popular_key out[POPULAR_KEYS]);

/* The gets a minute of a key of the table, as sketch_rate(). */
double popular_rate(const struct popular *p, const struct popular_key *k, uint64_t now_ms);

#endif
