/* SPDX-License-Identifier: MIT */
#include "base/clock.h"

#include <stdatomic.h>
#include <time.h>

static atomic_uint_fast64_t offset_ns; /* atomic */

static uint64_t read_real(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

#ifdef GROUPCACHE_TEST
static const clockid_t clocks[] = {CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_BOOTTIME};
static uint64_t held_ns[CLOCK_BOOTTIME + 1]; /* set before `held` */
static atomic_bool held;                     /* atomic */

void clock_hold(bool still)
{
    for (size_t i = 0; still && i < sizeof clocks / sizeof clocks[0]; i++)
        held_ns[clocks[i]] = read_real(clocks[i]);
    atomic_store(&held, still);
}

static uint64_t read_base(clockid_t id)
{
    return atomic_load(&held) ? held_ns[id] : read_real(id);
}
#else
#define read_base read_real
#endif

static uint64_t read_clock(clockid_t id)
{
    return read_base(id) + atomic_load_explicit(&offset_ns, memory_order_relaxed);
}

uint64_t clock_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

uint64_t clock_wall_ns(void)
{
    return read_clock(CLOCK_REALTIME);
}

uint64_t clock_boot_ms(void)
{
    return read_clock(CLOCK_BOOTTIME) / 1000000u;
}

uint64_t clock_ms(void)
{
    return clock_ns() / 1000000u;
}

void clock_advance(uint64_t ms)
{
    atomic_fetch_add(&offset_ns, ms * 1000000u);
}

uint64_t clock_real_ns(void)
{
    return read_real(CLOCK_MONOTONIC);
}

uint64_t clock_real_ms(void)
{
    return clock_real_ns() / 1000000u;
}

struct timespec clock_real_wall(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return t;
}

uint64_t clock_thread_ns(void)
{
    return read_real(CLOCK_THREAD_CPUTIME_ID);
}

void clock_cond_init(pthread_cond_t *c)
{
    pthread_condattr_t attr;

    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(c, &attr);
    pthread_condattr_destroy(&attr);
}

struct timespec clock_cond_in_ms(uint64_t ms)
{
    uint64_t at_ns = clock_real_ns() + ms * 1000000u;
    const struct timespec t = {(time_t)(at_ns / 1000000000u), (long)(at_ns % 1000000000u)};

    return t;
}
