/* SPDX-License-Identifier: MIT */
/* clock.c - base/clock.c over a time that stands still: only clock_advance() moves it, and
 * virtual_step_wall() the wall clock. Linked in its place, it makes a run the same each time. */
#include <stdatomic.h>
#include <stdint.h>
#include <time.h>

#include "virtual.h"

static atomic_int_fast64_t step_ms; /* of the wall clock */

void virtual_step_wall(int64_t ms)
{
    atomic_fetch_add(&step_ms, ms);
}

static int virtual_gettime(clockid_t id, struct timespec *out)
{
    enum { MONOTONIC_S = 1000, WALL_S = 1700000000 };
    int64_t ms = id == CLOCK_REALTIME ? atomic_load(&step_ms) : 0;

    out->tv_sec = (id == CLOCK_REALTIME ? WALL_S : MONOTONIC_S) + ms / 1000;
    out->tv_nsec = 0;
    return 0;
}

#define clock_gettime virtual_gettime
#include "../../src/base/clock.c"
