/* SPDX-License-Identifier: MIT */
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/num.h"

enum {
    CHUNK_HEADER = sizeof(size_t), /* glibc keeps a chunk's size in front of what it hands out */
    LARGE_PAGE = 2 << 20,          /* of x86-64 and most others */
    LARGE_LEAST = 4 * LARGE_PAGE,  /* below that, few addresses are not found at once */
    TRIM_REST = 4,                 /* a pause is so many times as long as the last trim */
    TOP_MOST = 4 << 20,            /* free bytes at the heap's end, before some are returned */
    TOP_STEP = 1 << 20,            /* bytes by which the heap grows */
    TRIM_GROWTH = 4 << 20          /* bytes by which the process must have grown since then */
};

static const uintptr_t HEAP_MOST = (uintptr_t)1 << 40; /* bytes; mapped blocks are farther away */

/* The reserve: blocks below the size from which glibc maps memory, so that small structs fit into
 * one that was freed. */
enum { BLOCK = 64 * 1024, BLOCKS = MEM_RESERVE / BLOCK };

static struct {
    pthread_mutex_t mu;
    void *blocks[BLOCKS]; /* guarded by mu: the first n */
    atomic_uint n;        /* written under mu */
    atomic_int filled;    /* 1: mem_refill() was called */
} reserve = {.mu = PTHREAD_MUTEX_INITIALIZER};

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

/* Frees a part of the reserve. 0: it is used up. */
static int use_reserve(void)
{
    void *block = NULL;

    pthread_mutex_lock(&reserve.mu);
    if (reserve.n)
        block = reserve.blocks[--reserve.n];
    pthread_mutex_unlock(&reserve.mu);
    free(block);
    return block != NULL;
}

void mem_refill(void)
{
    void *block;
    unsigned n;

    if (atomic_load_explicit(&reserve.n, memory_order_relaxed) == BLOCKS)
        return;
    pthread_mutex_lock(&reserve.mu);
    n = reserve.n;
    while (reserve.n < BLOCKS && (block = malloc(BLOCK)))
        reserve.blocks[reserve.n++] = block;
    atomic_store(&reserve.filled, 1);
    pthread_mutex_unlock(&reserve.mu);
    if (n && reserve.n == BLOCKS)
        log_warn("mem", "there was no memory: the reserve was used, and is whole again", "bytes=%u",
                 (BLOCKS - n) * BLOCK);
}

int mem_is_short(void)
{
    return atomic_load_explicit(&reserve.filled, memory_order_relaxed) &&
           atomic_load_explicit(&reserve.n, memory_order_relaxed) < BLOCKS / 2;
}

enum how { ZEROED, RESIZED };

/* Memory, if need be from the reserve. */
static void *certain(enum how how, void *old, size_t n)
{
    void *p;

    do
        p = how == ZEROED ? calloc(1, n) : realloc(old, n);
    while (!p && use_reserve());
    if (!p) {
        log_error("mem", "out of memory", "bytes=%zu", n);
        abort();
    }
    if (atomic_load_explicit(&reserve.filled, memory_order_relaxed))
        mem_refill();
    return p;
}

void *mem_zalloc(size_t n)
{
    return certain(ZEROED, NULL, n);
}

void *mem_resize(void *p, size_t n)
{
    return certain(RESIZED, p, n ? n : 1);
}

char *mem_strndup(const char *s, size_t n)
{
    char *copy = certain(RESIZED, NULL, n + 1);

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

/* Only pages that lie in the memory as a whole. A kernel that has none says so, which is fine. */
void mem_use_large_pages(void *p, size_t n)
{
    uintptr_t from = ((uintptr_t)p + LARGE_PAGE - 1) / LARGE_PAGE * LARGE_PAGE;
    uintptr_t to = ((uintptr_t)p + n) / LARGE_PAGE * LARGE_PAGE;

    if (n >= LARGE_LEAST && from < to)
        madvise((char *)p + (from - (uintptr_t)p), to - from, MADV_HUGEPAGE);
}

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25 /* since Linux 6.1; the headers of glibc 2.36 lack it */
#endif

enum { NOT_YET, REFUSED = 1 };

/* The end of that part of the heap which is in large pages, or was passed over; a multiple of
 * LARGE_PAGE. NOT_YET at first; REFUSED: the kernel joins no pages. */
static _Atomic uintptr_t joined;

/* p is behind the page that begins at `from`. */
static void join_page(char *p, uintptr_t from)
{
    uintptr_t top = (uintptr_t)sbrk(0), to = from + LARGE_PAGE;

    if ((uintptr_t)p >= top) /* a block that is mapped is above the heap */
        return;
    if (from == NOT_YET)
        to = (top + LARGE_PAGE - 1) / LARGE_PAGE * LARGE_PAGE;
    if (!atomic_compare_exchange_strong(&joined, &from, to) || from == NOT_YET)
        return;
    if (madvise(p - ((uintptr_t)p - from), LARGE_PAGE, MADV_COLLAPSE) && errno == EINVAL)
        atomic_store_explicit(&joined, REFUSED, memory_order_relaxed);
}

void mem_join_pages(void *p)
{
    uintptr_t from = atomic_load_explicit(&joined, memory_order_relaxed);

    /* Below `from` the difference is huge, as it is for most mapped blocks. */
    if (from == NOT_YET || (from != REFUSED && (uintptr_t)p - from - LARGE_PAGE < HEAP_MOST))
        join_page(p, from);
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
    mallopt(M_MMAP_THRESHOLD, MEM_MAPPED);
    mallopt(M_TRIM_THRESHOLD, TOP_MOST);
    mallopt(M_TOP_PAD, TOP_STEP);
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
