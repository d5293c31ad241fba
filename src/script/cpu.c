/* SPDX-License-Identifier: MIT */
#include "script/cpu.h"

#include "base/clock.h"

static const uint64_t SHORT_NS = 1000000; /* turns below it are not measured */
static const uint64_t MARK_NS = 10000000; /* after that long the mark is made anew */

static void mark(struct cpu *c, uint64_t now_ns)
{
    c->mark_ns = clock_thread_ns();
    c->mark_at_ns = now_ns;
}

void cpu_begin(struct cpu *c, uint64_t now_ns)
{
    if (now_ns - c->mark_at_ns > MARK_NS)
        mark(c, now_ns);
}

uint64_t cpu_used(const struct cpu *c, uint64_t began_ns)
{
    uint64_t lasts_ns = clock_ns() - began_ns, used_ns;

    if (lasts_ns < SHORT_NS)
        return lasts_ns;
    used_ns = clock_thread_ns() - c->mark_ns;
    return used_ns < lasts_ns ? used_ns : lasts_ns;
}

uint64_t cpu_end(struct cpu *c, uint64_t began_ns)
{
    uint64_t used_ns = cpu_used(c, began_ns);

    if (used_ns >= SHORT_NS)
        mark(c, clock_ns());
    return used_ns;
}
