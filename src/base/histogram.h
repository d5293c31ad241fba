/* SPDX-License-Identifier: MIT */
/* histogram.h - how long things took, in a fixed number of buckets.
 *
 * A bucket has the times up to its bound that are above the bound before; the last has the rest.
 * The bounds are 100 us to 10 s, about three a decade: a hit takes 10 us, a peer 0.2 to 2 ms, an
 * origin up to seconds. All zero bytes is an empty histogram. */
#ifndef HISTOGRAM_H
#define HISTOGRAM_H

#include <stdint.h>

enum { HISTOGRAM_BOUNDS = 11, HISTOGRAM_BUCKETS = HISTOGRAM_BOUNDS + 1 };

struct histogram {
    uint64_t counts[HISTOGRAM_BUCKETS];
    uint64_t sum_ns;
};

/* The upper bound of a bucket in ns, and as text in seconds, such as "0.0003"; "+Inf" for the last,
 * whose bound in ns is UINT64_MAX. i is below HISTOGRAM_BUCKETS. */
uint64_t histogram_bound_ns(unsigned i);
const char *histogram_bound_text(unsigned i);

/* Counts `times` things that took ns each. The caller's lock guards it. */
void histogram_add(struct histogram *h, uint64_t ns, uint64_t times);

/* The same, without a lock: any thread, beside others that share the histogram. */
void histogram_add_shared(struct histogram *h, uint64_t ns, uint64_t times);

/* Adds a shared histogram to one that is the caller's own. Any thread. A bucket and the sum may
 * differ by what others add meanwhile. */
void histogram_merge(struct histogram *to, const struct histogram *shared);

/* How many were counted. The histogram is the caller's own. */
uint64_t histogram_count(const struct histogram *h);

#endif
