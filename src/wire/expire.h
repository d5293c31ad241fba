/* SPDX-License-Identifier: MIT */
/* expire.h - between our expiry, on a monotonic clock, and the wire's, Unix time in nanoseconds.
 *
 * The only place where the time of day matters: nodes whose clocks differ see values end earlier or
 * later by the difference, as between Go nodes. 0 is never, on both sides.
 *
 * Pure functions, any thread: the caller reads the clocks. */
#ifndef EXPIRE_H
#define EXPIRE_H

#include <stdint.h>

/* When an item that ends at expires_ms, on the clock that says now_ms, ends in Unix time. */
int64_t expire_to_wire(uint64_t expires_ms, uint64_t now_ms, uint64_t wall_ns);

/* Whether a value has ended: Go counts one as good to the very nanosecond. */
int expire_is_past(int64_t expire_ns, uint64_t wall_ns);

/* How long a value is good for from now on, in whole ms, none of it lost; 0 for one that has ended.
 * expire_ns is not 0. */
uint64_t expire_left_ms(int64_t expire_ns, uint64_t wall_ns);

#endif
