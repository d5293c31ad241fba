/* SPDX-License-Identifier: MIT */
/* trials.h - which manner (manner.h) has the most hits: a trial of each on a sample of the keys.
 *
 * A trial is a cache without values. The three have the same sample: the keys with a certain part
 * of their hashes. If that is one key in 64, a trial has a 64th of the cache's bytes, and nearly
 * its hit ratio (Waldspurger et al.: "Cache Modeling and Optimization using Miniature Simulations",
 * ATC 2017). A manner leads another one by its hits that were misses there, less the others. A
 * change costs hits: the cache has to load what the manner before did not keep. So a manner becomes
 * the best when its lead is a part of the items of a trial. A lead is bounded, so a long phase is
 * soon forgotten. Such leads lose little beside one who knows the requests to come (Borodin,
 * Linial, Saks: "An optimal on-line algorithm for metrical task system", Journal of the ACM, 1992).
 *
 * It has no lock: the caller's mutex guards it. */
#ifndef TRIALS_H
#define TRIALS_H

#include <stddef.h>
#include <stdint.h>

#include "cache/manner.h"

struct trials;

enum { TRIALS_FIXED = 16384 /* bytes that any trials may take */ };

/* For a cache that has so many items of so many bytes. Takes TRIALS_FIXED, or less if it has few
 * items, and beside it 2 bytes an item or a 96th of the bytes, whichever is less; 900 KB at most.
 * NULL: no memory. `first` is the best manner until another one has proved better. */
struct trials *trials_new(size_t items, uint64_t bytes, enum manner first);
void trials_free(struct trials *t); /* NULL is fine */

size_t trials_bytes(const struct trials *t); /* NULL: 0 */

/* A key is in the sample if its hash has none of these bits. */
uint32_t trials_mask(const struct trials *t);

/* Notes a use of a key of the sample, with its uses (uses.h) and what its item costs, if
 * there is room. Returns 1 if there is room for another one. */
int trials_note(struct trials *t, uint32_t hash, uint8_t uses, uint64_t cost);

/* The trials have the uses that were noted; makes room. With the age of uses, and the bytes of the
 * cache. */
void trials_catch_up(struct trials *t, unsigned age, uint64_t cache_bytes);

/* The key has no value now. No use is noted. */
void trials_forget(struct trials *t, uint32_t hash);

enum manner trials_best(const struct trials *t);

#endif
