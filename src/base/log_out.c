/* SPDX-License-Identifier: MIT */
#include "base/log_out.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log_line.h"

enum how { NOT_YET, PLAIN, OWN, SOCKET, POLLED };

static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
static enum how how; /* guarded by mu, as are the next four */
static int own = -1; /* the description of our own */
static dev_t dev;    /* what stderr was at the last look: a program may turn it elsewhere */
static ino_t ino;
static int torn;             /* a line was written in part */
static atomic_ulong dropped; /* changed under mu */

static enum how way_to_write(const struct stat *st)
{
    if (S_ISSOCK(st->st_mode))
        return SOCKET;
    if (!S_ISFIFO(st->st_mode) && !(S_ISCHR(st->st_mode) && isatty(STDERR_FILENO)))
        return PLAIN;
    own = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    return own >= 0 ? OWN : POLLED;
}

/* Returns 0 when stderr is closed. */
static int look_locked(void)
{
    struct stat st;

    if (fstat(STDERR_FILENO, &st))
        return 0;
    if (how != NOT_YET && st.st_dev == dev && st.st_ino == ino)
        return 1;
    if (own >= 0)
        close(own);
    own = -1;
    torn = 0;
    dev = st.st_dev;
    ino = st.st_ino;
    how = way_to_write(&st);
    return 1;
}

static ssize_t write_now(const char *s, size_t n)
{
    struct pollfd p = {.fd = STDERR_FILENO, .events = POLLOUT};

    switch (how) {
    case OWN:
        return write(own, s, n);
    case SOCKET:
        return send(STDERR_FILENO, s, n, MSG_DONTWAIT | MSG_NOSIGNAL);
    case POLLED:
        if (poll(&p, 1, 0) == 0) {
            errno = EAGAIN;
            return -1;
        }
        break;
    default:
        break;
    }
    return write(STDERR_FILENO, s, n);
}

/* 1: whole; 0: it would have had to wait. Any other failure would repeat. */
static int put_locked(const char *s, size_t n)
{
    ssize_t w;

    if (torn && write_now("\n", 1) != 1)
        return 0;
    torn = 0;
    w = write_now(s, n);
    torn = w > 0 && (size_t)w < n;
    return w < 0 ? errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR : !torn;
}

static int say_dropped_locked(void)
{
    char line[LOG_LINE_BYTES], pairs[40];
    size_t n;

    if (!atomic_load(&dropped))
        return 1;
    snprintf(pairs, sizeof(pairs), "lines=%lu", atomic_load(&dropped));
    n = log_line_put(line, "warn", "log", "lines were dropped: nobody took them", pairs);
    if (!put_locked(line, n))
        return 0;
    atomic_store(&dropped, 0);
    return 1;
}

void log_out_line(const char *line, size_t n)
{
    pthread_mutex_lock(&mu);
    if (look_locked() && (!say_dropped_locked() || !put_locked(line, n)))
        atomic_fetch_add(&dropped, 1);
    pthread_mutex_unlock(&mu);
}

void log_out_tick(void)
{
    if (!atomic_load_explicit(&dropped, memory_order_relaxed))
        return;
    pthread_mutex_lock(&mu);
    if (look_locked())
        say_dropped_locked();
    pthread_mutex_unlock(&mu);
}
