/* SPDX-License-Identifier: MIT */
#include "http/idle.h"

#include <microhttpd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "base/clock.h"

enum {
    IDLE_MS = 120 * 1000, /* Go's clients keep a connection for 90 seconds, and do not repeat a PUT
                           * if it was closed */
    SWEEP_MS = 10 * 1000
};

struct watched {
    struct list all; /* of struct idle; not made while next is NULL */
    uint64_t sweep_ms;
};

static _Thread_local struct watched mine;

unsigned idle_ms(int fd)
{
    struct tcp_info t;
    socklen_t n = sizeof(t);

    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &t, &n) < 0)
        return 0;
    return t.tcpi_last_data_sent < t.tcpi_last_data_recv ? t.tcpi_last_data_sent
                                                         : t.tcpi_last_data_recv;
}

void idle_watch(struct idle *i, struct MHD_Connection *c)
{
    idle_watch_fd(i, MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd);
    i->connection = c;
}

void idle_watch_fd(struct idle *i, int fd)
{
    i->connection = NULL;
    i->fd = fd;
    if (!mine.all.next)
        list_init(&mine.all);
    if (list_empty(&mine.all))
        mine.sweep_ms = clock_ms() + SWEEP_MS;
    list_push_back(&mine.all, &i->watched);
}

void idle_unwatch(struct idle *i)
{
    list_del(&i->watched);
}

static int is_suspended(const struct idle *i)
{
    return i->connection &&
           MHD_get_connection_info(i->connection, MHD_CONNECTION_INFO_CONNECTION_SUSPENDED)
               ->suspended;
}

void idle_sweep(uint64_t now_ms)
{
    struct list *l;

    if (now_ms < idle_due_ms())
        return;
    mine.sweep_ms = now_ms + SWEEP_MS;
    for (l = mine.all.next; l != &mine.all; l = l->next) {
        const struct idle *i = list_entry(l, struct idle, watched);

        if (!is_suspended(i) && idle_ms(i->fd) >= IDLE_MS)
            shutdown(i->fd, SHUT_RDWR); /* its reader sees that */
    }
}

uint64_t idle_due_ms(void)
{
    return mine.all.next && !list_empty(&mine.all) ? mine.sweep_ms : UINT64_MAX;
}

void idle_deinit(void)
{
    if (!mine.all.next)
        return;
    while (list_pop_front(&mine.all))
        ;
    mine.all.next = NULL;
}
