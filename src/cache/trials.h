/* SPDX-License-Identifier: MIT */
/* trials.h - which manner (manner.h) has the most hits: a trial of each on a sample of the keys.
 *
 * A trial is a cache without values. The three have the same sample: the keys with a certain part
 * of their hashes. If that is one key in 64, a trial has a 64th of the cache's bytes, and nearly
 * its hit ratio (Waldspurger et al.: "Cache Modeling and Optimization using Miniature Simulations",
 * ATC 2017). Uses that are a hit in one trial and a miss in another decide. Their weight halves
 * over four times as many uses as a trial has items. A manner replaces the best one so far when its
 * lead is larger than chance would give.
 *
 * It has no lock: the caller's mutex guards it. */
#ifndef TRIALS_H
#define TRIALS_H

#include <stddef.h>
#include <stdint.h>

#include "cache/manner.h"

struct trials;

enum { TRIALS_FIXED = 7168 /* bytes that any trials may take */ };

/* For a cache that has so many items of so many bytes. Takes TRIALS_FIXED, or less if it has few
 * items, and beside it 4 bytes an item or a 96th of the bytes, whichever is less; 900 KB at most.
 * NULL: no memory. `first` is the best manner until another one has proved better. */
struct trials *trials_new(size_t items, uint64_t bytes, enum manner first);
void trials_free(struct trials *t); /* NULL is fine */

size_t trials_bytes(const struct trials *t); /* NULL: 0 */

/* A key is in the sample if its hash has none of these bits. */
uint32_t trials_mask(const struct trials *t);

/* Notes a use of a key of the sample, with its uses (uses.h) and what its item costs, if
 * there is room. held: the cache had a value of the key. Returns 1 if there is room for another
 * one. */
int trials_note(struct trials *t, uint32_t hash, uint8_t uses, uint64_t cost, int held);

/* The trials have the uses that were noted; makes room. With the age of uses, and the bytes of the
 * cache. */
void trials_catch_up(struct trials *t, unsigned age, uint64_t cache_bytes);

/* The key has no value now. No use is noted. */
void trials_forget(struct trials *t, uint32_t hash);

enum manner trials_best(const struct trials *t);

#endif
