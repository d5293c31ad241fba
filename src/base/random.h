/* SPDX-License-Identifier: MIT */
/* random.h - numbers that are random enough for pauses and samples, and no secret: a seed gives the
 * same numbers again.
 *
 * The source is xorshift64, in Marsaglia, "Xorshift RNGs", 2003. The caller guards the state. */
#ifndef RANDOM_H
#define RANDOM_H

#include <stdint.h>

/* The next number. The state is not 0. */
static inline uint64_t random_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* The next number, below n, which is not 0. */
static inline uint64_t random_below(uint64_t *state, uint64_t n)
{
    return random_next(state) % n;
}

/* The next number, uniform in (0, 1]. */
static inline double random_fraction(uint64_t *state)
{
    return (double)((random_next(state) >> 11) + 1) * 0x1p-53;
}

#endif
