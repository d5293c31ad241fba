/* SPDX-License-Identifier: MIT */
#include "base/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"

enum {
    ROOM = 1 << 20,  /* bytes of lines that wait */
    LOOK_MS = 100,   /* how often the thread looks whether it is to do something else */
    CLOSE_MS = 2000, /* how long the end waits for a file that takes nothing */
    SAY_MS = 1000    /* between two log lines about what was dropped */
};

static atomic_uint reopened; /* counts spool_reopen_all() */

struct spool {
    char *path; /* set once */
    pthread_t thread;
    pthread_mutex_t mu;
    pthread_cond_t cond;
    char *lines; /* guarded by mu, like the next three: what waits, ROOM bytes */
    size_t len;
    unsigned long dropped;
    int closing;
    int fd;    /* the thread's, like the rest */
    char *out; /* what it writes */
    uint64_t said_ms;
    uint64_t until_ms; /* of the end: lines that nobody takes by then are dropped */
    unsigned opened;   /* of `reopened` */
    atomic_int ended;  /* the thread uses none of this any more */
};

/* --- the file --- */

/* stdout is shared with other processes and stays blocking: a pipe or a terminal gets a description
 * of our own. In a file all have to write at one place, so that stays what it is. */
static int open_stdout(int flags)
{
    struct stat st;
    int fd = -1;

    if (fstat(STDOUT_FILENO, &st) == 0 && !S_ISREG(st.st_mode))
        fd = open("/proc/self/fd/1", flags);
    return fd >= 0 ? fd : fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
}

static int open_path(const char *path)
{
    const int flags = O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;

    return strcmp(path, "-") == 0 ? open_stdout(flags) : open(path, flags | O_CREAT, 0644);
}

static void reopen(struct spool *s)
{
    unsigned now = atomic_load(&reopened);
    int fd;

    if (s->opened == now)
        return;
    s->opened = now;
    fd = open_path(s->path);
    if (fd < 0) {
        log_warn("access", "the file cannot be opened again: the old one goes on",
                 "path=%s error=\"%s\"", s->path, strerror(errno));
        return;
    }
    close(s->fd);
    s->fd = fd;
    log_info("access", "the file was opened again", "path=%s", s->path);
}

static int is_closing(struct spool *s)
{
    int closing;

    pthread_mutex_lock(&s->mu);
    closing = s->closing;
    pthread_mutex_unlock(&s->mu);
    return closing;
}

/* How many lines begin in the bytes that are not written. */
static unsigned long lines_in(const char *bytes, size_t n)
{
    unsigned long lines = 0;
    size_t i;

    for (i = 0; i < n; i++)
        lines += bytes[i] == '\n';
    return lines;
}

/* Writes all of it, or what is taken until the end. Returns how many lines were not. */
static unsigned long write_all(struct spool *s, const char *bytes, size_t n)
{
    while (n) {
        struct pollfd p = {.fd = s->fd, .events = POLLOUT};
        ssize_t w = write(s->fd, bytes, n);

        if (w >= 0) {
            bytes += w;
            n -= (size_t)w;
        } else if (errno == EAGAIN) {
            poll(&p, 1, LOOK_MS);
            if (is_closing(s) && !s->until_ms)
                s->until_ms = clock_ms() + CLOSE_MS / 2;
            if (s->until_ms && clock_ms() > s->until_ms)
                break;
        } else if (errno != EINTR) {
            break;
        }
    }
    return lines_in(bytes, n);
}

/* --- the thread --- */

/* Waits for lines. Returns how many bytes are in `out`. */
static size_t take(struct spool *s, unsigned long *dropped)
{
    struct timespec until;
    char *lines;
    size_t n;

    pthread_mutex_lock(&s->mu);
    if (!s->len && !s->closing) {
        until = clock_cond_in_ms(LOOK_MS);
        pthread_cond_timedwait(&s->cond, &s->mu, &until);
    }
    n = s->len;
    lines = s->lines;
    s->lines = s->out;
    s->out = lines;
    s->len = 0;
    *dropped += s->dropped;
    s->dropped = 0;
    pthread_mutex_unlock(&s->mu);
    return n;
}

static void say_dropped(struct spool *s, unsigned long *dropped, int last)
{
    uint64_t now_ms = clock_ms();

    if (!*dropped || (!last && now_ms < s->said_ms + SAY_MS))
        return;
    s->said_ms = now_ms;
    log_warn("access", "lines were dropped: the file did not take them", "path=%s lines=%lu",
             s->path, *dropped);
    *dropped = 0;
}

static void *spool_main(void *arg)
{
    struct spool *s = arg;
    unsigned long dropped = 0;
    int closing;
    size_t n;

    do {
        closing = is_closing(s); /* before: what came until then is written */
        n = take(s, &dropped);
        reopen(s);
        dropped += write_all(s, s->out, n);
        say_dropped(s, &dropped, closing);
    } while (!closing);
    atomic_store(&s->ended, 1);
    return NULL;
}

/* --- life --- */

static void spool_free(struct spool *s)
{
    if (s->fd >= 0)
        close(s->fd);
    pthread_cond_destroy(&s->cond);
    pthread_mutex_destroy(&s->mu);
    mem_free(s->lines);
    mem_free(s->out);
    mem_free(s->path);
    mem_free(s);
}

struct spool *spool_open(const char *path, struct error *e)
{
    struct spool *s = mem_zalloc(sizeof(*s));

    pthread_mutex_init(&s->mu, NULL);
    clock_cond_init(&s->cond);
    s->path = mem_strdup(path);
    s->opened = atomic_load(&reopened);
    s->lines = mem_alloc(ROOM);
    s->out = mem_alloc(ROOM);
    s->fd = open_path(path);
    if (s->fd < 0)
        error_set(e, ERR_INVAL, "access_log %s: %s", path, strerror(errno));
    else if (!s->lines || !s->out)
        error_set(e, ERR_NOMEM, "no memory for the access log");
    else if (thread_start(&s->thread, "access", 0, spool_main, s, e) == ERR_OK)
        return s;
    spool_free(s);
    return NULL;
}

enum err spool_check(const char *path, struct error *e)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash ? mem_strndup(path, (size_t)(slash - path) + 1) : mem_strdup(".");
    int failed = strcmp(path, "-") != 0 && access(path, W_OK) != 0 &&
                 (errno != ENOENT || access(folder, W_OK) != 0);

    mem_free(folder);
    return failed ? error_set(e, ERR_INVAL, "access_log %s: %s", path, strerror(errno)) : ERR_OK;
}

void spool_put(struct spool *s, const char *line, size_t n)
{
    int first = 0;

    pthread_mutex_lock(&s->mu);
    if (n <= ROOM - s->len) {
        first = s->len == 0;
        memcpy(s->lines + s->len, line, n);
        s->len += n;
    } else {
        s->dropped++;
    }
    pthread_mutex_unlock(&s->mu);
    if (first)
        pthread_cond_signal(&s->cond);
}

void spool_reopen_all(void)
{
    atomic_fetch_add(&reopened, 1);
}

void spool_close(struct spool *s)
{
    static const struct timespec pause = {0, 1000000};
    uint64_t until_ms = clock_ms() + CLOSE_MS;

    if (!s)
        return;
    pthread_mutex_lock(&s->mu);
    s->closing = 1;
    pthread_mutex_unlock(&s->mu);
    pthread_cond_signal(&s->cond);
    while (!atomic_load(&s->ended) && clock_ms() < until_ms)
        nanosleep(&pause, NULL);
    if (!atomic_load(&s->ended)) { /* in a write() to a disk that hangs */
        thread_leave_behind();
        return;
    }
    pthread_join(s->thread, NULL);
    spool_free(s);
}
