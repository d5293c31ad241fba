/* SPDX-License-Identifier: MIT */
/* sketch.h - how often each key is asked for, estimated in 12 KiB whatever the number of keys.
 *
 * A count-min sketch (Cormode, Muthukrishnan: "An Improved Data Stream Summary: The Count-Min
 * Sketch and its Applications", 2005) with conservative update (Estan, Varghese: "New Directions in
 * Traffic Measurement and Accounting", 2002): an estimate is never below the count, and above it
 * only when other keys share all three cells of a key. Counts are halved from time to time
 * (Einziger, Friedman, Manes: "TinyLFU", 2017, the reset).
 *
 * When n gets were counted, a cell holds n / 2048 on average. So a key with less than about a
 * thousandth of the gets cannot be told from the rest: compare with sketch_mean().
 *
 * It has no lock: the caller's mutex guards it. */
#ifndef SKETCH_H
#define SKETCH_H

#include <stdint.h>

struct sketch;

enum {
    SKETCH_HALF_MS = 10000, /* the time after which counts are halved */
    SKETCH_MAX = UINT16_MAX /* the largest count: some 200000 gets a minute */
};

struct sketch *sketch_new(uint64_t now_ms);
void sketch_free(struct sketch *s); /* NULL is fine */

/* Counts a get. `hash` is uniform in all its 32 bits, as group_hash() is. Reads no clock. */
void sketch_add(struct sketch *s, uint32_t hash);

/* Lets time pass: to be called a few times in SKETCH_HALF_MS. Never goes back. */
void sketch_tick(struct sketch *s, uint64_t now_ms);

/* Gets of that key a minute. Exact for a steady rate, except for shared cells and the rounding of
 * halves. Of a rate that has just begun it knows a part: after 2 s a sixth, after 10 s a half. */
double sketch_rate(const struct sketch *s, uint32_t hash);

/* The rate of a cell of average count: the noise of an estimate. */
double sketch_mean(const struct sketch *s);

#endif
