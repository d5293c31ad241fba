/* SPDX-License-Identifier: MIT */
/* faults.c - preloaded into a node by faults.lua: fails its Nth allocation, and moves its clock.
 *
 * Only allocations that the program itself asks for can fail, not those of its libraries. The spec
 * writes its orders into a file that both have mapped. */
#include <fcntl.h>
#include <link.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

struct faults {
    _Atomic int64_t left;    /* so many allocations succeed, then one fails; below zero: all do */
    _Atomic uint64_t failed; /* how many have failed */
    _Atomic uint64_t offset_ns; /* of the monotonic clock */
    _Atomic uint64_t place;     /* the caller of the last failure, as an offset in the program */
    _Atomic int64_t wall_s;     /* seconds that are added to the time of day */
};

extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t n);

static struct faults *faults;
static uintptr_t from, to, base; /* of the program's code */

static int first_object(struct dl_phdr_info *info, size_t size, void *arg)
{
    int i;

    (void)size;
    (void)arg;
    base = info->dlpi_addr;
    for (i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];

        if (p->p_type == PT_LOAD && p->p_flags & PF_X) {
            from = info->dlpi_addr + p->p_vaddr;
            to = from + p->p_memsz;
        }
    }
    return 1;
}

static void __attribute__((constructor)) map_orders(void)
{
    const char *path = getenv("SPEC_FAULTS");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void *p;

    if (fd < 0)
        return;
    dl_iterate_phdr(first_object, NULL);
    p = mmap(NULL, sizeof(struct faults), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (p != MAP_FAILED)
        faults = p;
}

static int must_fail(const void *caller)
{
    uintptr_t at = (uintptr_t)caller;

    if (!faults || at < from || at >= to || atomic_load(&faults->left) < 0)
        return 0;
    if (atomic_fetch_sub(&faults->left, 1) != 0)
        return 0;
    atomic_store(&faults->place, at - base);
    atomic_fetch_add(&faults->failed, 1);
    return 1;
}

void *malloc(size_t n)
{
    return must_fail(__builtin_return_address(0)) ? NULL : __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
    return must_fail(__builtin_return_address(0)) ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
    return must_fail(__builtin_return_address(0)) ? NULL : __libc_realloc(p, n);
}

int clock_gettime(clockid_t id, struct timespec *t)
{
    long rc = syscall(SYS_clock_gettime, id, t);
    uint64_t ns;

    if (!rc && faults && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
        t->tv_sec += (time_t)atomic_load(&faults->wall_s);
    if (rc || !faults || (id != CLOCK_MONOTONIC && id != CLOCK_MONOTONIC_COARSE))
        return (int)rc;
    ns = (uint64_t)t->tv_nsec + atomic_load(&faults->offset_ns) % 1000000000u;
    t->tv_sec += (time_t)(atomic_load(&faults->offset_ns) / 1000000000u + ns / 1000000000u);
    t->tv_nsec = (long)(ns % 1000000000u);
    return 0;
}
