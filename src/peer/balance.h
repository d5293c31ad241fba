/* SPDX-License-Identifier: MIT */
/* balance.h - finds out whether a ring spreads the keys of this node evenly.
 *
 * The rings of some dialects put keys that differ only in their last bytes, such as consecutive
 * numbers, next to each other. Then one node has nearly all of them. The keys are not known
 * beforehand, so the first keys are counted, each once, until they suffice to judge. After that,
 * counting costs one look at a number.
 *
 * Any thread, without a lock. */
#ifndef BALANCE_H
#define BALANCE_H

#include <stddef.h>

enum {
    BALANCE_KEYS = 1000,        /* a sample, at least */
    BALANCE_KEYS_PER_PEER = 50, /* with fewer keys a fair ring could look bad by chance */
    BALANCE_FACTOR = 2          /* allowed share, as a multiple of the others' average */
};

struct balance;

/* For a ring of n peers. Fewer than two peers, or no memory: NULL, which counts nothing. */
struct balance *balance_new(size_t n);
void balance_free(struct balance *b); /* NULL is fine */

struct balance_skew {
    size_t busiest; /* its place in the ring's list */
    size_t keys;    /* of the sample */
    double share;   /* the busiest peer's part of the keys, 0 to 1 */
};

/* Counts a key and the place of its owner. 1, once at most: the sample is complete, and a peer has
 * more than BALANCE_FACTOR times the others' average. b may be NULL. */
int balance_count(struct balance *b, const void *key, size_t key_len, size_t place,
                  struct balance_skew *out);

#endif
