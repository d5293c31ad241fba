/* SPDX-License-Identifier: MIT */
#include "script/turn.h"

#include "base/clock.h"
#include "script/cpu.h"

/* A slice bounds how long a new load waits for a task that was set aside before. A switch costs
 * some 20 us. */
enum { SLICE_MS = 3 };

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Milliseconds of processor time that the task may use yet, rounded up. */
static uint64_t cpu_left_ms(const struct turn *n, uint64_t used_ns)
{
    uint64_t all_ns = n->cpu_ms * 1000000;

    return used_ns < all_ns ? (all_ns - used_ns + 999999) / 1000000 : 0;
}

static void set_look(struct turn *n, uint64_t now_ms, uint64_t used_ns)
{
    n->look_ms = least(n->until_ms, n->aside_ms);
    if (n->cpu_ms)
        n->look_ms = least(n->look_ms, now_ms + cpu_left_ms(n, used_ns));
}

void turn_begin(struct turn *n, struct cpu *c, uint64_t deadline_ms, int goes_on)
{
    uint64_t now_ns = clock_ns(), now_ms = now_ns / 1000000;

    cpu_begin(c, now_ns);
    n->began_ns = now_ns;
    n->until_ms = least(deadline_ms, n->bound_ms ? now_ms + n->bound_ms : UINT64_MAX);
    n->aside_ms = UINT64_MAX;
    if (n->burst_ms)
        n->aside_ms = now_ms + (goes_on ? SLICE_MS : n->burst_ms);
    set_look(n, now_ms, n->used_ns);
}

void turn_end(struct turn *n, struct cpu *c)
{
    n->used_ns += cpu_end(c, n->began_ns);
    n->began_ns = 0;
}

int turn_spent(const struct turn *n)
{
    return n->cpu_ms && !cpu_left_ms(n, n->used_ns);
}

enum turn_end turn_look(struct turn *n, struct cpu *c)
{
    uint64_t now_ms = clock_ms(), used_ns;

    if (now_ms >= n->until_ms)
        return TURN_LATE;
    if (now_ms < n->look_ms)
        return TURN_GOES_ON;
    used_ns = n->used_ns + cpu_used(c, n->began_ns);
    if (n->cpu_ms && !cpu_left_ms(n, used_ns))
        return TURN_SPENT;
    if (now_ms >= n->aside_ms)
        return TURN_ASIDE;
    set_look(n, now_ms, used_ns);
    return TURN_GOES_ON;
}

void turn_later(struct turn *n, struct cpu *c)
{
    uint64_t now_ms = clock_ms();

    n->aside_ms = now_ms + SLICE_MS;
    set_look(n, now_ms, n->used_ns + cpu_used(c, n->began_ns));
}
