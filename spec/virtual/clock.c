/* SPDX-License-Identifier: MIT */
/* clock.c - the clock of base/clock.h, but one that only clock_advance() moves. Linked in its
 * place, it makes a run the same each time. */
#include "base/clock.h"
#include "virtual.h"

#include <stdatomic.h>

static atomic_uint_fast64_t now_ns = 1000000000000u; /* later than every time that code subtracts */

static atomic_uint_fast64_t step_ns; /* of the wall clock; it wraps */

static const uint64_t WALL_NS = 1700000000000000000u; /* when the clock is 0 */

uint64_t clock_ns(void)
{
    return atomic_load_explicit(&now_ns, memory_order_relaxed);
}

uint64_t clock_ms(void)
{
    return clock_ns() / 1000000u;
}

uint64_t clock_wall_ns(void)
{
    return WALL_NS + clock_ns() + atomic_load_explicit(&step_ns, memory_order_relaxed);
}

void virtual_step_wall(int64_t ms)
{
    atomic_fetch_add(&step_ns, (uint64_t)ms * 1000000u);
}

uint64_t clock_real_ns(void)
{
    return clock_ns();
}

uint64_t clock_real_ms(void)
{
    return clock_ms();
}

void clock_advance(uint64_t ms)
{
    atomic_fetch_add(&now_ns, ms * 1000000u);
}
