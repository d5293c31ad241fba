/* SPDX-License-Identifier: MIT */
/* net.c - the loop of the network thread.
 *
 * libcurl names the sockets it waits for and the time of its next call. These sockets and the
 * inbox's eventfd are in one epoll set (sockets.h), so waiting transfers cost a turn nothing.
 * Handles are added, removed and reported only between calls into libcurl: no done function runs
 * inside a callback of libcurl.
 *
 * A transfer's time is kept here, not by CURLOPT_TIMEOUT_MS: in 7.88 that time does not expire
 * while the transfer waits for a free connection.
 *
 * If the CURLM itself fails, all its transfers fail and a new CURLM is built.
 *
 * Not here: the options and the outcome of an exchange (fetch.c). */
#include "net/net.h"

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"
#include "net/net_curl.h"
#include "net/passport.h"
#include "net/sockets.h"

enum {
    DEFAULT_HOST_CONNECTIONS = 64,
    DEFAULT_CONNECTIONS = 512,
    DEFAULT_TICK_MS = 50,
    NUDGES = 20, /* in the time to connect */
    NUDGE_MIN_MS = 10,
    EVENTS_MAX = 64 /* events taken from epoll in one turn */
};

static const uint64_t NEVER = UINT64_MAX;

struct net {
    atomic_uint refs;
    struct inbox *inbox; /* set once */
    struct net_opts opts;
    pthread_t thread;
    atomic_int stopping;
    struct msg stop;

    /* from here on only the thread's */
    CURLM *multi; /* NULL if a new one could not be built */
    CURLMcode broken;
    struct sockets sockets;
    uint64_t curl_due_ns; /* in libcurl's real time, not clock_ms(); 0: at once */
    uint64_t tick_due_ms; /* clock_ms() time */
    struct timers timers; /* of the transfers, in milliseconds of real time */
    struct list transfers;
    struct passport *passport; /* NULL before net_show() */
};

/* --- the clock libcurl uses, which clock_advance() does not move --- */

static uint64_t real_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static uint64_t real_ms(void)
{
    return real_ns() / 1000000u;
}

static int on_timer(CURLM *multi, long ms, void *arg)
{
    struct net *n = arg;

    (void)multi;
    if (ms < 0)
        n->curl_due_ns = NEVER;
    else
        n->curl_due_ns = ms ? real_ns() + (uint64_t)ms * 1000000u : 0;
    return 0;
}

/* --- descriptors --- */

static int on_socket(CURL *curl, curl_socket_t fd, int what, void *arg, void *unused)
{
    struct net *n = arg;
    unsigned events = 0;

    (void)curl;
    (void)unused;
    if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
        events |= EPOLLIN;
    if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
        events |= EPOLLOUT;
    return sockets_want(&n->sockets, fd, events);
}

curl_socket_t net_open_socket(struct net *n, const struct curl_sockaddr *addr)
{
    int fd = sockets_open(&n->sockets, addr->family, addr->socktype, addr->protocol);

    return fd < 0 ? CURL_SOCKET_BAD : fd;
}

int net_close_socket(void *arg, curl_socket_t fd)
{
    struct net *n = arg;

    return sockets_close(&n->sockets, fd);
}

int net_drop_speakers(struct net *n)
{
    return sockets_drop_speakers(&n->sockets);
}

/* --- the CURLM --- */

static CURLM *multi_new(struct net *n)
{
    CURLM *m = curl_multi_init();

    if (!m)
        return NULL;
    curl_multi_setopt(m, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(m, CURLMOPT_SOCKETDATA, n);
    curl_multi_setopt(m, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(m, CURLMOPT_TIMERDATA, n);
    curl_multi_setopt(m, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    curl_multi_setopt(m, CURLMOPT_MAXCONNECTS, (long)n->opts.max_connections);
    curl_multi_setopt(m, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)n->opts.max_connections);
    curl_multi_setopt(m, CURLMOPT_MAX_HOST_CONNECTIONS, (long)n->opts.max_host_connections);
    return m;
}

static void act(struct net *n, curl_socket_t fd, int events)
{
    int running;

    if (!n->multi || n->broken)
        return;
    n->broken = curl_multi_socket_action(n->multi, fd, events, &running);
}

static void on_time_over(struct timer *timer)
{
    struct transfer *t = list_entry(timer, struct transfer, timer);
    struct error e;

    net_remove(t->net, t);
    error_set(&e, ERR_TIMEOUT, "the time expired");
    t->ended(t, CURLE_OK, &e);
}

static enum err add(struct net *n, struct transfer *t, struct error *e)
{
    CURLMcode rc;

    if (!n->multi)
        n->multi = multi_new(n);
    if (!n->multi || timers_set(&n->timers, &t->timer, t->due_ms))
        return error_set(e, ERR_NOMEM, "no memory for an exchange");
    rc = curl_multi_add_handle(n->multi, t->curl);
    if (rc) {
        timers_cancel(&n->timers, &t->timer);
        return error_set(e, rc == CURLM_OUT_OF_MEMORY ? ERR_NOMEM : ERR_PEER,
                         "the exchange could not start: %s", curl_multi_strerror(rc));
    }
    list_push_back(&n->transfers, &t->link);
    return ERR_OK;
}

enum err net_add(struct net *n, struct transfer *t, uint64_t timeout_ms, struct error *e)
{
    t->net = n;
    t->timer.run = on_time_over;
    t->due_ms = real_ms() + timeout_ms +
                1; /* real_ms() is rounded down, and no transfer may end too early */
    return add(n, t, e);
}

enum err net_add_again(struct transfer *t, struct error *e)
{
    return add(t->net, t, e);
}

void net_remove(struct net *n, struct transfer *t)
{
    timers_cancel(&n->timers, &t->timer);
    net_connected(t);
    curl_multi_remove_handle(n->multi, t->curl);
    list_del(&t->link);
}

/* Pausing and unpausing makes libcurl look at a handle at once. */
static void on_nudge(struct timer *timer)
{
    struct transfer *t = list_entry(timer, struct transfer, nudge);

    curl_easy_pause(t->curl, CURLPAUSE_ALL);
    curl_easy_pause(t->curl, CURLPAUSE_CONT);
    timers_set(&t->net->timers, &t->nudge, real_ms() + t->nudge_ms);
}

void net_connecting(struct net *n, struct transfer *t, uint64_t connect_ms)
{
    t->nudge.run = on_nudge;
    t->nudge_ms = connect_ms / NUDGES > NUDGE_MIN_MS ? connect_ms / NUDGES : NUDGE_MIN_MS;
    timers_set(&n->timers, &t->nudge, real_ms() + NUDGE_MIN_MS); /* fails: as late as libcurl is */
}

void net_connected(struct transfer *t)
{
    if (t->nudge.slot)
        timers_cancel(&t->net->timers, &t->nudge);
}

/* If an answer came before libcurl waited for it, its new connection was never in the epoll set. */
static void watch_new(struct net *n, CURL *curl)
{
    curl_socket_t fd = CURL_SOCKET_BAD;
    long made = 0;

    curl_easy_getinfo(curl, CURLINFO_NUM_CONNECTS, &made);
    if (made)
        curl_easy_getinfo(curl, CURLINFO_ACTIVESOCKET, &fd);
    sockets_watch(&n->sockets, fd);
}

static void reap(struct net *n)
{
    struct transfer *t;
    CURLMsg *msg;
    CURLcode code;
    int left;

    while (n->multi && (msg = curl_multi_info_read(n->multi, &left))) {
        if (msg->msg != CURLMSG_DONE)
            continue;
        code = msg->data.result; /* msg ends with the handle */
        curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, (char **)&t);
        watch_new(n, t->curl);
        net_remove(n, t);
        t->ended(t, code, NULL);
    }
}

/* All transfers are removed and the CURLM is freed before the first transfer is told. */
static void end_all(struct net *n, const struct error *why)
{
    struct list ended, *l;
    struct transfer *t;

    list_init(&ended);
    while (!list_empty(&n->transfers)) {
        t = list_entry(n->transfers.next, struct transfer, link);
        net_remove(n, t);
        list_push_back(&ended, &t->link);
    }
    if (n->multi)
        curl_multi_cleanup(n->multi);
    n->multi = NULL;
    n->curl_due_ns = NEVER;
    while ((l = list_pop_front(&ended))) {
        t = list_entry(l, struct transfer, link);
        t->ended(t, CURLE_OK, why);
    }
}

static void rebuild(struct net *n)
{
    struct error e;

    error_set(&e, ERR_PEER, "the HTTP client failed: %s", curl_multi_strerror(n->broken));
    log_error("net", "starting the HTTP client anew", "error=\"%s\"",
              curl_multi_strerror(n->broken));
    n->broken = CURLM_OK;
    end_all(n, &e); /* net_add() builds the next one */
}

/* --- the loop --- */

/* Milliseconds to wait until `due`; -1 is for ever. */
static int sooner(int wait, uint64_t now, uint64_t due)
{
    uint64_t left = due > now ? due - now : 0;

    if (wait >= 0 && (uint64_t)wait <= left)
        return wait;
    return left < INT_MAX ? (int)left : INT_MAX;
}

static int wait_ms(const struct net *n)
{
    uint64_t now = real_ns();
    int wait;

    if (!n->curl_due_ns)
        return 0;
    wait = timers_wait_ms(&n->timers, now / 1000000u);
    if (n->curl_due_ns != NEVER) /* rounded up: if called early, libcurl only asks for the rest */
        wait = sooner(wait, now / 1000000u, (n->curl_due_ns + 999999u) / 1000000u);
    if (n->opts.tick)
        wait = sooner(wait, clock_ms(), n->tick_due_ms);
    return wait;
}

static void on_event(struct net *n, const struct epoll_event *ev)
{
    unsigned got = sockets_take(&n->sockets, ev);
    int events = 0;

    if (!got)
        return;
    if (got & (EPOLLIN | EPOLLHUP))
        events |= CURL_CSELECT_IN;
    if (got & EPOLLOUT)
        events |= CURL_CSELECT_OUT;
    if (got & EPOLLERR)
        events |= CURL_CSELECT_ERR;
    act(n, ev->data.fd, events);
}

static void run_curl_timer(struct net *n)
{
    if (n->curl_due_ns == NEVER || (n->curl_due_ns && n->curl_due_ns > real_ns()))
        return;
    n->curl_due_ns = NEVER; /* libcurl sets it again if it has more to wait for */
    act(n, CURL_SOCKET_TIMEOUT, 0);
}

static void run_tick(struct net *n)
{
    uint64_t now;

    if (!n->opts.tick)
        return;
    now = clock_ms();
    if (now < n->tick_due_ms)
        return;
    n->tick_due_ms = now + n->opts.tick_ms;
    n->opts.tick(n->opts.ctx, now);
}

static void turn(struct net *n)
{
    struct epoll_event events[EVENTS_MAX];
    int inbox = inbox_fd(n->inbox), mail = 0;
    int i, count = epoll_wait(n->sockets.epoll, events, EVENTS_MAX, wait_ms(n));

    inbox_hold();
    for (i = 0; i < count; i++) {
        if (events[i].data.fd == inbox)
            mail = 1;
        else
            on_event(n, &events[i]);
    }
    if (mail)
        inbox_drain(n->inbox);
    run_curl_timer(n);
    reap(n);
    timers_run(&n->timers, real_ms());
    if (n->broken)
        rebuild(n);
    run_tick(n);
    inbox_release();
}

static void close_down(struct net *n)
{
    struct error e;

    error_set(&e, ERR_CLOSED, "the node is stopping");
    inbox_close(n->inbox);
    inbox_drain(n->inbox); /* exchanges that have not begun see net_stopping() and end */
    end_all(n, &e);
    passport_unref(n->passport);
    n->passport = NULL;
    timers_deinit(&n->timers);
    sockets_deinit(&n->sockets);
}

static void *net_main(void *arg)
{
    struct net *n = arg;

    while (!net_stopping(n))
        turn(n);
    close_down(n);
    return NULL;
}

/* --- the identity --- */

/* On its way to the thread. */
struct shown {
    struct msg msg;
    struct net *net;
    struct passport *passport;
};

static void take_passport(struct msg *m)
{
    struct shown *s = list_entry(m, struct shown, msg);

    passport_unref(s->net->passport);
    s->net->passport = s->passport;
    mem_free(s);
}

void net_show(struct net *n, struct identity *id)
{
    struct shown *s = mem_zalloc(sizeof(*s));

    s->msg.run = take_passport;
    s->net = n;
    s->passport = passport_new(id);
    if (net_post(n, &s->msg))
        return;
    passport_unref(s->passport);
    mem_free(s);
}

struct passport *net_passport(struct net *n)
{
    return n->passport ? passport_ref(n->passport) : NULL;
}

/* --- start and stop --- */

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static CURLcode curl_ready;
static int curl_trusts_file;

static void init_curl(void)
{
    curl_ready = curl_global_init(CURL_GLOBAL_DEFAULT);
    curl_trusts_file = curl_version_info(CURLVERSION_NOW)->cainfo != NULL;
}

int net_trusts_file(void)
{
    return curl_trusts_file;
}

/* Only wakes the thread. It looks at `stopping` before it works off the queue. */
static void on_stop(struct msg *m)
{
    (void)m;
}

static void set_opts(struct net *n, const struct net_opts *o)
{
    n->opts = *o;
    if (!n->opts.max_host_connections)
        n->opts.max_host_connections = DEFAULT_HOST_CONNECTIONS;
    if (!n->opts.max_connections)
        n->opts.max_connections = DEFAULT_CONNECTIONS;
    if (!n->opts.tick_ms)
        n->opts.tick_ms = DEFAULT_TICK_MS;
}

struct net *net_start(const struct net_opts *opts, struct error *e)
{
    struct net *n = mem_zalloc(sizeof(*n));

    pthread_once(&curl_once, init_curl);
    atomic_init(&n->refs, 1);
    atomic_init(&n->stopping, 0);
    timers_init(&n->timers);
    list_init(&n->transfers);
    set_opts(n, opts);
    n->curl_due_ns = NEVER;
    n->tick_due_ms = clock_ms() + n->opts.tick_ms;
    n->stop.run = on_stop;
    n->inbox = inbox_new(e);
    if (!n->inbox)
        goto no_inbox;
    if (sockets_init(&n->sockets, inbox_fd(n->inbox), n->opts.max_connections, e))
        goto no_sockets;
    n->multi = curl_ready ? NULL : multi_new(n);
    if (!n->multi) {
        error_set(e, ERR_NOMEM, "libcurl did not start");
        goto no_multi;
    }
    if (thread_start(&n->thread, "net", 0, net_main, n, e))
        goto no_thread;
    return n;

no_thread:
    curl_multi_cleanup(n->multi);
no_multi:
    sockets_deinit(&n->sockets);
no_sockets:
    inbox_close(n->inbox);
    inbox_free(n->inbox);
no_inbox:
    mem_free(n);
    return NULL;
}

void net_end(struct net *n)
{
    if (!n || atomic_exchange(&n->stopping, 1))
        return;
    inbox_post(n->inbox, &n->stop);
    pthread_join(n->thread, NULL);
}

void net_stop(struct net *n)
{
    if (!n)
        return;
    net_end(n);
    net_unref(n);
}

int net_post(struct net *n, struct msg *m)
{
    return !net_stopping(n) && inbox_post(n->inbox, m);
}

void net_ref(struct net *n)
{
    atomic_fetch_add_explicit(&n->refs, 1, memory_order_relaxed);
}

void net_unref(struct net *n)
{
    if (atomic_fetch_sub_explicit(&n->refs, 1, memory_order_acq_rel) != 1)
        return;
    inbox_free(n->inbox);
    mem_free(n);
}

int net_stopping(struct net *n)
{
    return atomic_load(&n->stopping);
}
