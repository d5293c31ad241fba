/* SPDX-License-Identifier: MIT */
#include "http/acceptor.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"

enum {
    PAUSE_MS = 100,           /* the wait if the process is out of descriptors or memory */
    UNSENT_BYTES = 256 * 1024 /* measured by the row `hit` of the benchmark, with 1 MB */
};

struct acceptor {
    int fd;      /* set once */
    int stop_fd; /* set once: an eventfd, readable when the thread must end */
    void (*taken)(void *ctx, int fd, const struct sockaddr *addr, socklen_t len);
    void *ctx;
    pthread_t thread;
};

/* 0: to go on at once is useless. */
static int take_one(struct acceptor *a)
{
    struct sockaddr_storage addr;
    socklen_t len = sizeof(addr);
    int fd = accept4(a->fd, (struct sockaddr *)&addr, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd >= 0)
        a->taken(a->ctx, fd, (struct sockaddr *)&addr, len);
    else if (errno != EINTR && errno != ECONNABORTED)
        return 0;
    return 1;
}

static void *acceptor_main(void *arg)
{
    struct acceptor *a = arg;
    struct pollfd p[2] = {{.fd = a->stop_fd, .events = POLLIN}, {.fd = a->fd, .events = POLLIN}};
    int complained = 0;

    while (!(p[0].revents & POLLIN)) {
        if (poll(p, 2, -1) < 0)
            continue;
        while (take_one(a))
            complained = 0;
        if (errno == EAGAIN || p[0].revents & POLLIN)
            continue;
        if (!complained)
            log_warn("server", "cannot take a connection", "error=\"%s\"", strerror(errno));
        complained = 1;
        poll(p, 1, PAUSE_MS);
    }
    return NULL;
}

/* How much of an answer a connection takes before it could send it; connections inherit this. Else
 * the kernel copies up to 4 MB for a client that does not read. For a client that reads, a shorter
 * copy is still in the processor's cache when it is sent. */
static void bound_unsent(int fd)
{
    const int most = UNSENT_BYTES;

    setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &most, sizeof(most)); /* not of a UNIX socket */
}

struct acceptor *acceptor_start(const char *name, int fd,
                                void (*taken)(void *ctx, int fd, const struct sockaddr *addr,
                                              socklen_t len),
                                void *ctx, struct error *e)
{
    struct acceptor *a = mem_zalloc(sizeof(*a));

    bound_unsent(fd);
    a->fd = fd;
    a->taken = taken;
    a->ctx = ctx;
    a->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (a->stop_fd < 0) {
        error_set(e, ERR_NOMEM, "eventfd: %s", strerror(errno));
        goto no_eventfd;
    }
    if (thread_start(&a->thread, name, 0, acceptor_main, a, e))
        goto no_thread;
    return a;

no_thread:
    close(a->stop_fd);
no_eventfd:
    close(fd);
    mem_free(a);
    return NULL;
}

void acceptor_stop(struct acceptor *a)
{
    const uint64_t one = 1;

    if (!a)
        return;
    if (write(a->stop_fd, &one, sizeof(one)) < 0) {
        /* a count of 1 always fits */
    }
    pthread_join(a->thread, NULL);
    close(a->fd);
    close(a->stop_fd);
    mem_free(a);
}
