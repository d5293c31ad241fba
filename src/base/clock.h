/* SPDX-License-Identifier: MIT */
/* clock.h - the time everything inside the node is measured with.
 *
 * Monotonic, so that a stepped wall clock moves no deadline and no expiry. Specs move it forward
 * with clock_advance(); nothing else does. Any thread. */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdint.h>

/* Milliseconds, nanoseconds since some fixed point in the past. */
uint64_t clock_ms(void);
uint64_t clock_ns(void);

/* Specs only: adds ms to what clock_ms() and clock_ns() say, in this process, for good. */
void clock_advance(uint64_t ms);

#endif
