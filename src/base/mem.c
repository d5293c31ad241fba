/* SPDX-License-Identifier: MIT */
#include "base/mem.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

/* glibc keeps the size word of a chunk in front of what it hands out. */
enum { CHUNK_HEADER = sizeof(size_t) };

static atomic_long fail_after = -1; /* atomic; below zero: off */

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

void mem_fail_after(long n)
{
    atomic_store(&fail_after, n);
}
