/* SPDX-License-Identifier: MIT */
#include "base/thread.h"

#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum err thread_start(pthread_t *out, const char *name, size_t stack_bytes, void *(*fn)(void *),
                      void *arg, struct error *e)
{
    pthread_attr_t attr;
    sigset_t all, old;
    char cut[16];
    int rc;

    pthread_attr_init(&attr);
    if (stack_bytes)
        pthread_attr_setstacksize(&attr, stack_bytes);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old); /* the new thread inherits the mask */
    rc = pthread_create(out, &attr, fn, arg);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    if (rc)
        return error_set(e, ERR_NOMEM, "thread %s: %s", name, strerror(rc));
    snprintf(cut, sizeof(cut), "%s", name);
    pthread_setname_np(*out, cut);
    return ERR_OK;
}

static atomic_int left_behind;

void thread_leave_behind(void)
{
    atomic_store(&left_behind, 1);
}

int thread_left_behind(void)
{
    return atomic_load(&left_behind);
}

int thread_id(void)
{
    return (int)syscall(SYS_gettid);
}

/* The state is the letter behind the name, which is in parentheses. */
int thread_waits(int id)
{
    char path[64], line[256];
    const char *name_end;
    ssize_t n = 0;
    int fd;

    snprintf(path, sizeof(path), "/proc/self/task/%d/stat", id);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        n = read(fd, line, sizeof(line) - 1);
        close(fd);
    }
    line[n > 0 ? n : 0] = 0;
    name_end = strrchr(line, ')');
    return name_end && (name_end[2] == 'S' || name_end[2] == 'D');
}

double thread_stack_used(void)
{
    static _Thread_local char *bottom;
    static _Thread_local size_t size;
    const char *here = __builtin_frame_address(0);
    pthread_attr_t attr;
    void *address = NULL;

    if (!bottom && pthread_getattr_np(pthread_self(), &attr) == 0) {
        pthread_attr_getstack(&attr, &address, &size);
        pthread_attr_destroy(&attr);
        bottom = address;
    }
    if (!bottom || !size)
        return 0;
    return 1 - (double)(here - bottom) / (double)size;
}
