/* SPDX-License-Identifier: MIT */
/* clock.h - the node's time.
 *
 * It is monotonic, so a stepped wall clock moves no deadline and no expiry. Only times on the wire
 * are those of the wall clock. Specs move both forward with clock_advance(); nothing else does. No
 * other file of src/ reads a clock, but for whole seconds. Any thread. */
#ifndef CLOCK_H
#define CLOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* Milliseconds, nanoseconds since some fixed point in the past. */
uint64_t clock_ms(void);
uint64_t clock_ns(void);

/* Nanoseconds since 1970, as Go's UnixNano(). */
uint64_t clock_wall_ns(void);

/* Milliseconds since the machine started, the time of its sleep included. Another process of the
 * same start reads the same clock. */
uint64_t clock_boot_ms(void);

/* Specs only: adds ms to all four clocks, in this process, for good. */
void clock_advance(uint64_t ms);

#ifdef GROUPCACHE_TEST
/* Unit specs only: while `still`, only clock_advance() moves the four clocks. When they go on, they
 * jump over the time between. No two threads may call it at once. */
void clock_hold(bool still);
#endif

/* clock_ns() and clock_ms() without what clock_advance() has added: the time of libraries that read
 * the clock themselves. */
uint64_t clock_real_ns(void);
uint64_t clock_real_ms(void);

/* The time since 1970, without what clock_advance() has added. */
struct timespec clock_real_wall(void);

/* Nanoseconds of processor time that the calling thread has used. Costs a system call. */
uint64_t clock_thread_ns(void);

/* Initialises a condition that waits by the monotonic clock; the time in `ms` from now, for
 * pthread_cond_timedwait() on it. Neither knows of clock_advance(). */
void clock_cond_init(pthread_cond_t *c);
struct timespec clock_cond_in_ms(uint64_t ms);

#endif
