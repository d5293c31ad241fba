/* SPDX-License-Identifier: MIT */
/* tally.h - counters of a server, which only grow. Any thread. */
#ifndef TALLY_H
#define TALLY_H

#include <stdatomic.h>
#include <stdint.h>

/* X(name, meaning): what a client sees of the server's limits. /stats and the log follow the list.
 */
#define TALLY_COUNTERS(X)                                                                          \
    X(gave_way, "idle connections that were closed for newer ones")                                \
    X(refused, "requests that got 503: more than max_connections connections")                     \
    X(unparked, "misses that got 503: too many requests wait for loads")                           \
    X(late_heads, "connections that were closed: no whole head in time")                           \
    X(late_bodies, "connections that were closed: no whole body in time")                          \
    X(late_readers, "connections that were closed: the answer was not read in time")               \
    X(slow_readers, "connections that were closed: slow readers held too many bytes")              \
    X(unsent, "answers that were 503 instead: no room beside those being sent")                    \
    X(unheld, "bodies and values for which there was no room")

struct tally {
#define X(name, meaning) _Atomic uint64_t name;
    TALLY_COUNTERS(X)
#undef X
};

static inline void tally_add(_Atomic uint64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

#endif
