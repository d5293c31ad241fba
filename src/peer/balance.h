/* SPDX-License-Identifier: MIT */
/* balance.h - whether a ring spreads the keys that are really asked for.
 *
 * The rings of some dialects put keys that differ in their last bytes only, as consecutive numbers
 * do, next to each other, so that one node has nearly all. Which keys a node will be asked for
 * nobody knows beforehand: so the first ones are counted, each once, until there are enough to
 * tell. Then counting costs one look at a number.
 *
 * Any thread, without a lock. */
#ifndef BALANCE_H
#define BALANCE_H

#include <stddef.h>

enum {
    BALANCE_KEYS = 1000,        /* a sample, at least */
    BALANCE_KEYS_PER_PEER = 50, /* fewer would make a fair ring look bad by chance */
    BALANCE_FACTOR = 2          /* by how much one may be ahead of the others */
};

struct balance;

/* For a ring of n peers. NULL, which counts nothing, for fewer than two or without memory. */
struct balance *balance_new(size_t n);
void balance_free(struct balance *b); /* NULL is fine */

struct balance_skew {
    size_t busiest; /* its place in the ring's list */
    size_t keys;    /* of the sample */
    double share;   /* the busiest one's, of 1 */
};

/* Counts a key and the place of its owner. 1, once at most: the sample is complete, and one peer
 * has more than BALANCE_FACTOR times the keys that the others have on average. b may be NULL. */
int balance_count(struct balance *b, const void *key, size_t key_len, size_t place,
                  struct balance_skew *out);

#endif
