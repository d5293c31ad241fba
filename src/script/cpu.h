/* SPDX-License-Identifier: MIT */
/* cpu.h - how much processor time the tasks of a VM use.
 *
 * The clock of a thread's processor time costs a system call. So a turn that lasts less than a
 * millisecond counts with its whole duration, and the clock is read for longer turns only. A turn
 * that blocks in C then counts with what it computed. It may count up to 10 ms more, of what other
 * turns have used since the clock was last read, but never more than its own duration.
 *
 * The VM's thread only. */
#ifndef CPU_H
#define CPU_H

#include <stdint.h>

/* Of one VM; zero at first. */
struct cpu {
    uint64_t mark_ns; /* the thread's processor time at mark_at_ns */
    uint64_t mark_at_ns;
};

/* A turn begins at this clock_ns() time. */
void cpu_begin(struct cpu *c, uint64_t now_ns);

/* The nanoseconds of processor time that the turn which began at began_ns has used. */
uint64_t cpu_used(const struct cpu *c, uint64_t began_ns);

/* The same; the turn ends. */
uint64_t cpu_end(struct cpu *c, uint64_t began_ns);

#endif
