/* SPDX-License-Identifier: MIT */
#include "http/sorter.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/thread.h"

enum {
    SILENT_MS = 10 * 1000,
    SWEEP_MS = 1000,
    EVENTS = 64,
    HANDSHAKE = 22 /* the first byte of a connection with TLS */
};

/* A connection that has not been sorted yet. */
struct unsorted {
    struct list link;
    int fd;
    uint64_t due_ms;
    socklen_t len;
    struct sockaddr_storage addr;
};

struct sorter {
    struct sorter_way tls, plain; /* set once, like all down to thread */
    int epoll, stop;              /* stop: an eventfd */
    pthread_t thread;
    pthread_mutex_t mu;
    struct list all; /* guarded by mu: of unsorted, the oldest first */
};

static void drop(struct unsorted *u)
{
    list_del(&u->link);
    close(u->fd);
    mem_free(u);
}

void sorter_put(struct sorter *s, int fd, const struct sockaddr *addr, socklen_t len)
{
    struct unsorted *u = mem_zalloc(sizeof(*u));
    struct epoll_event ev = {.events = EPOLLIN | EPOLLRDHUP, .data = {.ptr = u}};

    u->fd = fd;
    u->due_ms = clock_ms() + SILENT_MS;
    u->len = len < sizeof(u->addr) ? len : sizeof(u->addr);
    memcpy(&u->addr, addr, u->len);
    pthread_mutex_lock(&s->mu);
    list_push_back(&s->all, &u->link);
    if (epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &ev))
        drop(u);
    pthread_mutex_unlock(&s->mu);
}

/* It has news: its first byte, or its end. */
static void sort(struct sorter *s, struct unsorted *u)
{
    struct epoll_event none = {0};
    const struct sorter_way *way;
    unsigned char first = 0;
    ssize_t n = recv(u->fd, &first, 1, MSG_PEEK | MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    epoll_ctl(s->epoll, EPOLL_CTL_DEL, u->fd, &none);
    pthread_mutex_lock(&s->mu);
    list_del(&u->link);
    pthread_mutex_unlock(&s->mu);
    way = first == HANDSHAKE ? &s->tls : &s->plain;
    if (n > 0)
        way->take(way->ctx, u->fd, (struct sockaddr *)&u->addr, u->len);
    else
        close(u->fd);
    mem_free(u);
}

static void sweep(struct sorter *s, uint64_t now_ms)
{
    pthread_mutex_lock(&s->mu);
    while (!list_empty(&s->all)) {
        struct unsorted *u = list_entry(s->all.next, struct unsorted, link);

        if (u->due_ms > now_ms)
            break;
        drop(u);
    }
    pthread_mutex_unlock(&s->mu);
}

static void *sorter_main(void *arg)
{
    struct epoll_event events[EVENTS];
    struct sorter *s = arg;
    int i, n, stopping = 0;

    while (!stopping) {
        n = epoll_wait(s->epoll, events, EVENTS, SWEEP_MS);
        for (i = 0; i < n; i++) {
            if (events[i].data.ptr)
                sort(s, events[i].data.ptr);
            else
                stopping = 1;
        }
        sweep(s, clock_ms());
    }
    return NULL;
}

static void sorter_free(struct sorter *s)
{
    while (!list_empty(&s->all))
        drop(list_entry(s->all.next, struct unsorted, link));
    if (s->epoll >= 0)
        close(s->epoll);
    if (s->stop >= 0)
        close(s->stop);
    pthread_mutex_destroy(&s->mu);
    mem_free(s);
}

struct sorter *sorter_start(const struct sorter_way *tls, const struct sorter_way *plain,
                            struct error *e)
{
    struct epoll_event ev = {.events = EPOLLIN, .data = {.ptr = NULL}};
    struct sorter *s = mem_zalloc(sizeof(*s));

    s->tls = *tls;
    s->plain = *plain;
    list_init(&s->all);
    pthread_mutex_init(&s->mu, NULL);
    s->epoll = epoll_create1(EPOLL_CLOEXEC);
    s->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (s->epoll < 0 || s->stop < 0 || epoll_ctl(s->epoll, EPOLL_CTL_ADD, s->stop, &ev))
        error_set(e, ERR_NOMEM, "no descriptors for tls_plain: %s", strerror(errno));
    else if (!thread_start(&s->thread, "sort", 0, sorter_main, s, e))
        return s;
    sorter_free(s);
    return NULL;
}

void sorter_stop(struct sorter *s)
{
    const uint64_t one = 1;

    if (!s)
        return;
    if (write(s->stop, &one, sizeof(one)) < 0) {
        /* a count of 1 always fits */
    }
    pthread_join(s->thread, NULL);
    sorter_free(s);
}
