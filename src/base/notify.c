/* SPDX-License-Identifier: MIT */
#include "base/notify.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/num.h"

enum { TEXT_BYTES = 512, WAIT_MS = 1000, US_A_MS = 1000, NS_A_US = 1000 };

static int notify_fd = -1; /* set once, as is the next */
static uint64_t watchdog_ms;
static atomic_int ready, complained;

/* A connected socket: later datagrams need no address. */
static int connect_to(const char *path)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    size_t n = strlen(path);
    int fd;

    if ((*path != '/' && *path != '@') || n >= sizeof(to.sun_path)) {
        errno = EINVAL;
        return -1;
    }
    memcpy(to.sun_path, path, n);
    if (*path == '@') /* an abstract name: its length counts, it has no NUL at the end */
        to.sun_path[0] = '\0';
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&to,
                           (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)) != 0) {
        int saved = errno;

        close(fd);
        errno = saved;
        fd = -1;
    }
    return fd;
}

static uint64_t number_of(const char *name)
{
    const char *text = getenv(name);
    uint64_t n = 0;

    return text && num_parse_u64(text, strlen(text), UINT64_MAX, &n) ? n : 0;
}

void notify_open(void)
{
    const char *path = getenv("NOTIFY_SOCKET");
    uint64_t pid = number_of("WATCHDOG_PID");

    if (path && *path) {
        notify_fd = connect_to(path);
        if (notify_fd < 0)
            log_warn("service", "the service manager cannot be told anything", "error=\"%s\"",
                     strerror(errno));
    }
    if (notify_fd >= 0 && (!pid || pid == (uint64_t)getpid()))
        watchdog_ms = number_of("WATCHDOG_USEC") / US_A_MS;
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
}

uint64_t notify_watchdog_ms(void)
{
    return watchdog_ms;
}

/* 1: it was sent. */
static int try_to_send(const char *text, size_t n)
{
    ssize_t sent;

    do
        sent = send(notify_fd, text, n, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent >= 0;
}

static void say(const char *text, size_t n, int wait_ms)
{
    struct pollfd p = {.fd = notify_fd, .events = POLLOUT};

    if (try_to_send(text, n) ||
        (errno == EAGAIN && wait_ms && poll(&p, 1, wait_ms) == 1 && try_to_send(text, n)))
        atomic_store(&complained, 0);
    else if (!atomic_exchange(&complained, 1))
        log_warn("service", "the service manager was not told", "error=\"%s\"", strerror(errno));
}

/* Sends the words and a status, whose line must not end early. */
static void __attribute__((format(printf, 2, 0)))
say_with_status(const char *words, const char *fmt, va_list ap)
{
    char text[TEXT_BYTES];
    size_t i, n = (size_t)snprintf(text, sizeof(text), "%sSTATUS=", words);

    if (notify_fd < 0)
        return;
    vsnprintf(text + n, sizeof(text) - n, fmt, ap);
    for (i = n; text[i]; i++) {
        if (text[i] == '\n')
            text[i] = ' ';
    }
    say(text, i, WAIT_MS);
}

void notify_ready(const char *fmt, ...)
{
    va_list ap;

    atomic_store(&ready, 1);
    va_start(ap, fmt);
    say_with_status("READY=1\n", fmt, ap);
    va_end(ap);
}

static void __attribute__((format(printf, 2, 3)))
say_status(const char *words, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    say_with_status(words, fmt, ap);
    va_end(ap);
}

void notify_reloading(const char *status)
{
    char words[64];

    snprintf(words, sizeof(words), "RELOADING=1\nMONOTONIC_USEC=%llu\n",
             (unsigned long long)(clock_real_ns() / NS_A_US));
    say_status(words, "%s", status);
}

void notify_reloaded(const char *status)
{
    say_status(atomic_load(&ready) ? "READY=1\n" : "", "%s", status);
}

void notify_stopping(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    say_with_status("STOPPING=1\n", fmt, ap);
    va_end(ap);
}

void notify_status(const char *status)
{
    say_status("", "%s", status);
}

void notify_alive(void)
{
    static const char text[] = "WATCHDOG=1";

    if (notify_fd >= 0)
        say(text, sizeof(text) - 1, 0);
}
