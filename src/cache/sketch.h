/* SPDX-License-Identifier: MIT */
/* sketch.h - how often each key is asked for, estimated in 12 KiB whatever the number of keys.
 *
 * A count-min sketch (Cormode, Muthukrishnan: "An Improved Data Stream Summary: The Count-Min
 * Sketch and its Applications", 2005) with conservative update (Estan, Varghese: "New Directions in
 * Traffic Measurement and Accounting", 2002): an estimate is never less than what was counted, and
 * more only when other keys share all three cells of a key. Counts fade by being halved from time
 * to time (Einziger, Friedman, Manes: "TinyLFU", 2017, the reset).
 *
 * Of n counted gets a cell holds n / 2048 on average. So a key that has less than some thousandth
 * of the gets is not told from the rest: compare with sketch_mean().
 *
 * No thread of its own and no lock: the caller's. */
#ifndef SKETCH_H
#define SKETCH_H

#include <stdint.h>

struct sketch;

enum {
    SKETCH_HALF_MS = 10000, /* counts are halved that often */
    SKETCH_MAX = UINT16_MAX /* no count goes beyond: some 200000 gets a minute */
};

struct sketch *sketch_new(uint64_t now_ms);
void sketch_free(struct sketch *s); /* NULL is fine */

/* Counts a get. `hash` is uniform in all its 32 bits, as group_hash() is. Reads no clock. */
void sketch_add(struct sketch *s, uint32_t hash);

/* Lets time pass: to be called a few times in SKETCH_HALF_MS. Never goes back. */
void sketch_tick(struct sketch *s, uint64_t now_ms);

/* Gets of that key a minute. Exact for a steady rate, but for shared cells and the rounding of
 * halves; of one that has just begun it knows a part: after 2 s a sixth, after 10 s the half. */
double sketch_rate(const struct sketch *s, uint32_t hash);

/* What sketch_rate() would say of a cell of average count: the noise of an estimate. */
double sketch_mean(const struct sketch *s);

#endif
