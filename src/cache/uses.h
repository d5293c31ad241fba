/* SPDX-License-Identifier: MIT */
/* uses.h - how often a key was asked for of late, in one byte: 4 bits count, 4 bits are the age.
 *
 * From age to age the counts are halved (Einziger, Friedman, Manes: "TinyLFU", 2017, the reset).
 * There is no walk over all bytes: a count is halved for the ages that have passed when it is next
 * looked at. After sixteen ages without a look it counts as if none had passed. */
#ifndef USES_H
#define USES_H

#include <stdint.h>

enum { USES_MAX = 15, USES_AGES = 16 };

static inline uint8_t uses_of(unsigned count, unsigned age)
{
    return (uint8_t)((count < USES_MAX ? count : USES_MAX) << 4 | age);
}

/* The count at that age, below USES_AGES. */
static inline unsigned uses_count(uint8_t *uses, unsigned age)
{
    unsigned passed = (age - *uses) % USES_AGES;

    if (passed)
        *uses = uses_of((unsigned)*uses >> 4 >> passed, age);
    return *uses >> 4;
}

/* One use more. */
static inline void uses_add(uint8_t *uses, unsigned age)
{
    unsigned count = uses_count(uses, age);

    *uses = uses_of(count + 1, age);
}

#endif
