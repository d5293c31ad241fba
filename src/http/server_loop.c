/* SPDX-License-Identifier: MIT */
#include "http/server_loop.h"

#include <limits.h>
#include <microhttpd.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/inbox.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"
#include "http/answer_cache.h"
#include "http/answer_form.h"
#include "http/crowd.h"
#include "http/move.h"
#include "http/tls.h"

/* A hit waits for the rest of its turn. Each ended load makes the turn longer: by its answer, and
 * by the client's next request. So while there are hits, a turn resumes only so many. Fewer cost
 * more turns (measured by the row `mixed` of the benchmark). */
enum {
    ENDED_A_TURN = 6,
    AFTER_HIT = 16,           /* turns */
    WORK_A_TURN = 256 * 1024, /* bytes: some 0.2 ms */
    STILL_MS = 50 /* the pause while only handshakes are under way that wait for clients */
};

struct server_loop {
    struct server_daemons daemons; /* the thread's, until it has ended */
    struct porch_opts porch;
    struct inbox *inbox; /* of struct arrival and parking */
    pthread_t thread;
    atomic_int stopping;
    atomic_uint connections;
    atomic_uint parked; /* written by the thread, as is the next */
    atomic_uint turns;
    atomic_uint arriving; /* connections in the inbox */
    unsigned seen;        /* turns, as of the last server_loop_turned() */
    unsigned most_parked; /* set once */
    unsigned hits_for;    /* turns for which hits are expected; the thread's */
    size_t worked;        /* bytes, in this turn; the thread's */
    int moves;            /* 1: some connection has moved; until then there is less to look at */
};

/* A connection on its way to the loop's thread. */
struct arrival {
    struct msg msg;
    struct server_loop *loop;
    int fd;
    socklen_t len;
    struct sockaddr_storage addr;
};

static _Thread_local struct server_loop *mine;

static void refuse(struct arrival *a)
{
    close(a->fd);
    atomic_fetch_sub_explicit(&a->loop->connections, 1, memory_order_relaxed);
    atomic_fetch_sub(&a->loop->arriving, 1);
    mem_free(a);
}

/* libmicrohttpd closes connections that it cannot serve. */
static void arrived(struct msg *m)
{
    struct arrival *a = list_entry(m, struct arrival, msg);
    struct server_loop *l = a->loop;

    if (atomic_load(&l->stopping)) {
        refuse(a);
        return;
    }
    if (MHD_add_connection(l->daemons.common, a->fd, (struct sockaddr *)&a->addr, a->len) !=
        MHD_YES)
        atomic_fetch_sub_explicit(&l->connections, 1, memory_order_relaxed);
    atomic_fetch_sub(&l->arriving, 1); /* now the crowd has it */
    mem_free(a);
}

static void resume(struct msg *m)
{
    atomic_fetch_sub_explicit(&mine->parked, 1, memory_order_relaxed);
    MHD_resume_connection(list_entry(m, struct parking, msg)->connection);
}

int server_loop_can_park(void)
{
    return server_loop_parked(mine) < mine->most_parked;
}

unsigned server_loop_parked(const struct server_loop *l)
{
    return atomic_load_explicit(&l->parked, memory_order_relaxed);
}

void server_loop_park(struct parking *p, struct MHD_Connection *c)
{
    p->msg.run = resume;
    p->loop = mine;
    p->connection = c;
    atomic_fetch_add_explicit(&mine->parked, 1, memory_order_relaxed);
    MHD_suspend_connection(c);
}

void server_loop_unpark(struct parking *p)
{
    inbox_post(p->loop->inbox, &p->msg); /* the inbox is open while anything is parked */
}

/* A guest of the porch counts as a connection of the loop: its old one has ended. */
static void guest_complete(void *arg, struct porch_guest *g)
{
    struct server_loop *l = arg;
    int roomy = g->roomy || g->head.len > l->daemons.common_head;

    if (move_arrive(roomy ? l->daemons.roomy : l->daemons.common, g, roomy) == MHD_YES)
        atomic_fetch_add_explicit(&l->connections, 1, memory_order_relaxed);
    buf_deinit(&g->head);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* libmicrohttpd has no timeouts here: if it does not wait, it has work, or the client of a
 * handshake is silent. mail: there were messages in the last turn. */
static int wait_ms(struct server_loop *l, uint64_t now_ms, int mail)
{
    uint64_t due_ms = earlier(earlier(crowd_due_ms(), answer_cache_due_ms()), tls_due_ms());
    MHD_UNSIGNED_LONG_LONG ms;

    if (MHD_get_timeout(l->daemons.common, &ms) == MHD_YES || due_ms <= now_ms ||
        (l->moves && MHD_get_timeout(l->daemons.roomy, &ms) == MHD_YES))
        return tls_stands_still(mail) ? STILL_MS : 0;
    return due_ms - now_ms < INT_MAX ? (int)(due_ms - now_ms) : -1;
}

static int epoll_of(struct MHD_Daemon *daemon)
{
    return MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
}

/* libmicrohttpd does not wait here. */
static void run_daemons(struct server_loop *l)
{
    MHD_run(l->daemons.common);
    if (l->moves)
        MHD_run(l->daemons.roomy);
    while (move_unfinished()) {
        MHD_run(l->daemons.common);
        MHD_run(l->daemons.roomy);
    }
    if (porch_is_used()) {
        l->moves = 1;
        porch_run();
    }
}

static void count_turn(struct server_loop *l)
{
    unsigned turns = atomic_load_explicit(&l->turns, memory_order_relaxed);

    atomic_store_explicit(&l->turns, turns + 1, memory_order_relaxed);
}

static void *loop_main(void *arg)
{
    struct server_loop *l = arg;
    struct pollfd p[4] = {{.fd = inbox_fd(l->inbox), .events = POLLIN},
                          {.fd = epoll_of(l->daemons.common), .events = POLLIN},
                          {.fd = epoll_of(l->daemons.roomy), .events = POLLIN},
                          {.events = POLLIN}};
    uint64_t now_ms = clock_ms();
    struct error e;

    mine = l;
    p[3].fd = porch_open(&l->porch, &e);
    if (p[3].fd < 0)
        log_warn("server", "requests with large headers will be refused", "error=\"%s\"", e.msg);
    while (!atomic_load(&l->stopping)) {
        poll(p, l->moves ? 4 : 2, wait_ms(l, now_ms, p[0].revents));
        inbox_hold();
        count_turn(l);
        if (p[0].revents)
            inbox_drain_some(l->inbox, l->hits_for ? ENDED_A_TURN : UINT_MAX);
        if (l->hits_for)
            l->hits_for--;
        l->worked = 0;
        run_daemons(l);
        inbox_release();
        now_ms = clock_ms();
        answer_cache_sweep(now_ms);
        crowd_sweep(now_ms);
        tls_sweep(now_ms);
    }
    answer_cache_deinit();
    answer_form_deinit();
    porch_close();
    crowd_stop();
    tls_deinit();
    inbox_close(l->inbox);
    inbox_drain(l->inbox);
    return NULL;
}

static void stop_daemons(struct server_loop *l)
{
    MHD_stop_daemon(l->daemons.common);
    MHD_stop_daemon(l->daemons.roomy);
}

struct server_loop *server_loop_start(const char *name, const struct server_daemons *daemons,
                                      const struct porch_opts *porch, struct error *e)
{
    struct server_loop *l = mem_zalloc(sizeof(*l));

    l->daemons = *daemons;
    l->porch = *porch;
    l->porch.complete = guest_complete;
    l->porch.ctx = l;
    l->most_parked = daemons->most_parked;
    l->inbox = inbox_new(e);
    if (!l->inbox)
        goto no_inbox;
    if (thread_start(&l->thread, name, 0, loop_main, l, e))
        goto no_thread;
    return l;

no_thread:
    inbox_close(l->inbox);
    inbox_free(l->inbox);
no_inbox:
    stop_daemons(l);
    mem_free(l);
    return NULL;
}

void server_loop_add(struct server_loop *l, int fd, const struct sockaddr *addr, socklen_t len)
{
    struct arrival *a = mem_zalloc(sizeof(*a));

    a->msg.run = arrived;
    a->loop = l;
    a->fd = fd;
    a->len = len < sizeof(a->addr) ? len : sizeof(a->addr);
    memcpy(&a->addr, addr, a->len);
    atomic_fetch_add_explicit(&l->connections, 1, memory_order_relaxed);
    atomic_fetch_add(&l->arriving, 1);
    if (!inbox_post(l->inbox, &a->msg))
        refuse(a);
}

int server_loop_turned(struct server_loop *l)
{
    unsigned turns = atomic_load_explicit(&l->turns, memory_order_relaxed), seen = l->seen;

    l->seen = turns;
    inbox_wake(l->inbox);
    return turns != seen;
}

unsigned server_loop_arriving(const struct server_loop *l)
{
    return atomic_load(&l->arriving);
}

unsigned server_loop_connections(const struct server_loop *l)
{
    return atomic_load_explicit(&l->connections, memory_order_relaxed);
}

void server_loop_hit(void)
{
    mine->hits_for = AFTER_HIT;
}

int server_loop_has_time(void)
{
    return mine->worked < WORK_A_TURN;
}

void server_loop_worked(size_t bytes)
{
    mine->worked += bytes;
}

void server_loop_closed(void)
{
    if (mine)
        atomic_fetch_sub_explicit(&mine->connections, 1, memory_order_relaxed);
}

void server_loop_stop(struct server_loop *l)
{
    if (!l)
        return;
    atomic_store(&l->stopping, 1);
    inbox_wake(l->inbox);
    pthread_join(l->thread, NULL);
    stop_daemons(l);
    inbox_free(l->inbox);
    mem_free(l);
}
