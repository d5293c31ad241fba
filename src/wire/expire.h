/* SPDX-License-Identifier: MIT */
/* expire.h - between our expiry, on a monotonic clock, and the wire's, Unix time in nanoseconds.
 *
 * This is the only place where the time of day matters. When the clocks of nodes differ, values
 * expire earlier or later by the difference, as between Go nodes. 0 is never, on both sides.
 *
 * Pure functions, any thread: the caller reads the clocks. */
#ifndef EXPIRE_H
#define EXPIRE_H

#include <stdint.h>

/* The Unix time at which an item expires; expires_ms and now_ms are of the monotonic clock. */
int64_t expire_to_wire(uint64_t expires_ms, uint64_t now_ms, uint64_t wall_ns);

/* Whether a value has expired: in Go it is valid to the very nanosecond. */
int expire_is_past(int64_t expire_ns, uint64_t wall_ns);

/* The time until a value expires, in ms, rounded up; 0 when it has expired. expire_ns is not 0. */
uint64_t expire_left_ms(int64_t expire_ns, uint64_t wall_ns);

#endif
