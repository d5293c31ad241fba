/* SPDX-License-Identifier: MIT */
/* mem.h - every allocation of the engine goes through here.
 *
 * Memory whose size a user chooses (keys, values, bodies) comes from mem_alloc(), which may fail.
 * Small control structs of fixed size come from mem_zalloc(), which does not: a process without 200
 * bytes can do nothing useful with an error. So a reserve is kept for them. If there is no other
 * memory, a part of the reserve is freed. Once half of it is used, mem_is_short() asks to begin no
 * new work until mem_refill() has found memory again. Without a rest of the reserve, mem_zalloc()
 * logs and aborts.
 *
 * Any thread. The caller owns the memory and frees it with mem_free(). */
#ifndef MEM_H
#define MEM_H

#include <stddef.h>

/* n bytes, or NULL. n == 0 gives a valid pointer. */
void *mem_alloc(size_t n);

/* Resizes p (which may be NULL) to n bytes; NULL leaves p as it was. */
void *mem_realloc(void *p, size_t n);

/* n zeroed bytes, if need be from the reserve; aborts when that is used up. */
void *mem_zalloc(size_t n);

/* mem_realloc(), if need be from the reserve; aborts when that is used up. */
void *mem_resize(void *p, size_t n);

/* A copy of n bytes with a NUL behind them, if need be from the reserve. For names, URLs, settings:
 * never for keys or values. */
char *mem_strndup(const char *s, size_t n);
char *mem_strdup(const char *s);

/* p may be NULL. */
void mem_free(void *p);

/* Memory of n bytes will be read at places without any order. If it is large, the kernel is asked
 * to map it in pages of 2 MB: then the processor finds most addresses without a walk through the
 * page tables. To be called before the memory is first written; all of it should be used. */
void mem_use_large_pages(void *p, size_t n);

/* The memory at p was just allocated, and will be read at places without any order, as all such
 * memory of the process. For each 2 MB by which the heap has grown, one call asks the kernel to
 * join their pages into one. It copies them once, in less than a millisecond, and does so
 * whatever the system's default for such pages is. Linux before 6.1 cannot: nothing happens. Not to
 * be called with a lock. Memory in other arenas of glibc than the first stays as it is. */
void mem_join_pages(void *p);

/* What the allocator really spends on p, its own header included. */
size_t mem_cost(const void *p);

enum { MEM_MAPPED = 1024 * 1024 };

/* Threads that start to allocate after this share one heap of glibc's, instead of having one each:
 * all can use the memory that one of them frees. Values of many sizes then leave half the holes or
 * less (the table in docs/design/memory.md). From MEM_MAPPED bytes on a block is mapped by itself,
 * so nobody waits for the heap's lock while its pages come and go. The heap grows and shrinks in
 * steps of a megabyte and more for the same reason. To be called before the threads are started.
 * The setting belongs to the process: if the environment has MALLOC_ARENA_MAX, or arena_max in
 * GLIBC_TUNABLES, nothing is changed and 0 is returned. Otherwise 1. */
int mem_share_heap(void);

/* Returns whole free pages inside the heaps to the system, if the process has grown since the last
 * time. To be called whenever some megabytes were freed, with no lock held. It holds the lock of
 * the heap, mostly for less than a millisecond. However often it is called, it takes a fifth of the
 * time at most. */
void mem_trim(void);

enum { MEM_RESERVE = 1024 * 1024 };

/* Fills the reserve as far as there is memory. To be called at the start, and a few times a second.
 */
void mem_refill(void);

/* 1: half of the reserve was used and could not be replaced yet. */
int mem_is_short(void);

/* Specs only: lets the next n calls of mem_alloc/mem_realloc pass and fails the one after them,
 * once. A negative n switches it off. Process-wide. */
void mem_fail_after(long n);

#endif
