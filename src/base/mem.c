/* SPDX-License-Identifier: MIT */
#include "base/mem.h"

#include <fcntl.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/num.h"

enum {
    CHUNK_HEADER = sizeof(size_t), /* glibc keeps a chunk's size in front of what it hands out */
    TRIM_REST = 4,                 /* a pause is so many times as long as the last trim */
    TRIM_GROWTH = 4 << 20          /* bytes by which the process must have grown since then */
};

static atomic_long fail_after = -1; /* atomic; below zero: off */

static struct {
    atomic_flag busy; /* atomic: the thread that sets it owns the rest */
    uint64_t next_ns; /* when the next trim may begin */
    size_t resident;  /* after the last trim */
} trim = {.busy = ATOMIC_FLAG_INIT};

static int must_fail(void)
{
    if (atomic_load_explicit(&fail_after, memory_order_relaxed) < 0)
        return 0;
    return atomic_fetch_sub(&fail_after, 1) == 0;
}

void *mem_alloc(size_t n)
{
    return must_fail() ? NULL : malloc(n ? n : 1);
}

void *mem_realloc(void *p, size_t n)
{
    return must_fail() ? NULL : realloc(p, n ? n : 1);
}

static void *or_abort(void *p, size_t n)
{
    if (!p) {
        log_error("mem", "out of memory", "bytes=%zu", n);
        abort();
    }
    return p;
}

void *mem_zalloc(size_t n)
{
    return or_abort(calloc(1, n), n);
}

char *mem_strndup(const char *s, size_t n)
{
    char *copy = or_abort(malloc(n + 1), n + 1);

    memcpy(copy, s, n);
    copy[n] = '\0';
    return copy;
}

char *mem_strdup(const char *s)
{
    return mem_strndup(s, strlen(s));
}

void mem_free(void *p)
{
    free(p);
}

size_t mem_cost(const void *p)
{
    return malloc_usable_size((void *)(size_t)p) + CHUNK_HEADER;
}

int mem_share_heap(void)
{
    const char *tunables = getenv("GLIBC_TUNABLES");

    if (getenv("MALLOC_ARENA_MAX") || (tunables && strstr(tunables, "arena_max")))
        return 0;
    return mallopt(M_ARENA_MAX, 1);
}

/* The resident memory in bytes; 0: unknown. */
static size_t resident_bytes(void)
{
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    char text[128];
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    const char *second;
    uint64_t pages = 0;

    if (fd >= 0)
        close(fd);
    if (n <= 0)
        return 0;
    text[n] = '\0';
    second = strchr(text, ' ');
    if (second)
        num_parse_u64(second + 1, num_digits(second + 1), SIZE_MAX, &pages);
    return (size_t)pages * (size_t)sysconf(_SC_PAGESIZE);
}

void mem_trim(void)
{
    uint64_t begun = clock_ns();

    if (atomic_flag_test_and_set(&trim.busy))
        return;
    if (begun >= trim.next_ns && resident_bytes() > trim.resident + TRIM_GROWTH) {
        malloc_trim(0);
        trim.resident = resident_bytes();
        trim.next_ns = begun + (clock_ns() - begun) * TRIM_REST;
    }
    atomic_flag_clear(&trim.busy);
}

void mem_fail_after(long n)
{
    atomic_store(&fail_after, n);
}
