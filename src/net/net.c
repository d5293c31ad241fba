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
 * Each lane has a CURLM (net_lane.h). If it fails itself, all its transfers fail and a new one is
 * built.
 *
 * Not here: the options and the outcome of an exchange (fetch.c). */
#include "net/net.h"

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"
#include "net/net_curl.h"
#include "net/net_lane.h"
#include "net/passport.h"
#include "net/sockets.h"

enum {
    DEFAULT_HOST_CONNECTIONS = 64,
    DEFAULT_CONNECTIONS = 512,
    DEFAULT_TICK_MS = 50,
    NUDGES = 20, /* in the time to connect */
    NUDGE_MIN_MS = 10,
    EVENTS_MAX = 64, /* events taken from epoll in one turn */
    TOGETHER = 16,   /* exchanges begin with the same bound */
    CHECK_HOST_CONNECTIONS = 2,
    CHECK_CONNECTIONS = 256
};

struct net {
    atomic_uint refs;
    struct inbox *inbox; /* set once */
    struct net_opts opts;
    pthread_t thread;
    atomic_int stopping;
    atomic_uint turns; /* written by the thread */
    unsigned seen;     /* turns, as of the last net_turned() */
    struct msg stop;

    /* from here on only the thread's */
    struct lane lanes[NET_LANES];
    struct sockets sockets;
    uint64_t tick_due_ms; /* clock_ms() time */
    struct list later;    /* struct net_later */
    struct timers timers; /* of the transfers and net_timer_set(), in milliseconds of real time */
    struct passport *passport; /* NULL before net_show() */
};

/* --- descriptors --- */

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

/* --- transfers --- */

static void on_time_over(struct timer *timer)
{
    struct transfer *t = list_entry(timer, struct transfer, timer);
    struct error e;

    net_remove(t->net, t);
    error_set(&e, ERR_TIMEOUT, "the time expired");
    t->ended(t, CURLE_OK, &e);
}

static enum err add(struct transfer *t, struct error *e)
{
    struct lane *l = t->lane;
    struct timers *timers = &t->net->timers;
    CURLMcode rc;

    if (!net_lane_open(l) || timers_set(timers, &t->timer, t->due_ms))
        return error_set(e, ERR_NOMEM, "no memory for an exchange");
    rc = curl_multi_add_handle(l->multi, t->curl);
    if (rc) {
        timers_cancel(timers, &t->timer);
        return error_set(e, rc == CURLM_OUT_OF_MEMORY ? ERR_NOMEM : ERR_PEER,
                         "the exchange could not start: %s", curl_multi_strerror(rc));
    }
    list_push_back(&l->transfers, &t->link);
    if (++l->new == TOGETHER && l->place == NET_ORIGINS) {
        net_lane_act(l, CURL_SOCKET_TIMEOUT, 0); /* makes their connections */
        net_lane_bound_hosts(l);
    }
    return ERR_OK;
}

enum err net_add(struct net *n, enum net_lane lane, struct transfer *t, uint64_t timeout_ms,
                 struct error *e)
{
    t->net = n;
    t->lane = &n->lanes[lane];
    t->timer.run = on_time_over;
    t->due_ms = clock_real_ms() + timeout_ms +
                1; /* clock_real_ms() is rounded down, and no transfer may end too early */
    return add(t, e);
}

enum err net_add_again(struct transfer *t, struct error *e)
{
    return add(t, e);
}

void net_remove(struct net *n, struct transfer *t)
{
    timers_cancel(&n->timers, &t->timer);
    net_connected(t);
    t->lane->busy--;
    t->busy = 0;
    curl_multi_remove_handle(t->lane->multi, t->curl);
    list_del(&t->link);
}

enum err net_timer_set(struct net *n, struct timer *t, uint64_t ms)
{
    return timers_set(&n->timers, t, clock_real_ms() + ms);
}

static void run_later(struct net_later *l)
{
    list_del(&l->link);
    l->run(l);
}

static void on_later(struct timer *t)
{
    run_later(list_entry(t, struct net_later, timer));
}

void net_later(struct net *n, struct net_later *l, uint64_t ms)
{
    l->timer = (struct timer){.run = on_later};
    list_push_back(&n->later, &l->link);
    if (net_stopping(n) || net_timer_set(n, &l->timer, ms))
        run_later(l);
}

/* The thread ends. */
static void end_later(struct net *n)
{
    while (!list_empty(&n->later)) {
        struct net_later *l = list_entry(n->later.next, struct net_later, link);

        timers_cancel(&n->timers, &l->timer);
        run_later(l);
    }
}

/* Pausing and unpausing makes libcurl look at a handle at once. */
static void on_nudge(struct timer *timer)
{
    struct transfer *t = list_entry(timer, struct transfer, nudge);

    curl_easy_pause(t->curl, CURLPAUSE_ALL);
    curl_easy_pause(t->curl, CURLPAUSE_CONT);
    timers_set(&t->net->timers, &t->nudge, clock_real_ms() + t->nudge_ms);
}

static void take_connection(struct transfer *t)
{
    t->lane->busy += t->busy ? 0 : 1;
    t->busy = 1;
}

void net_connecting(struct net *n, struct transfer *t, uint64_t connect_ms)
{
    take_connection(t);
    t->nudge.run = on_nudge;
    t->nudge_ms = connect_ms / NUDGES > NUDGE_MIN_MS ? connect_ms / NUDGES : NUDGE_MIN_MS;
    timers_set(&n->timers, &t->nudge,
               clock_real_ms() + NUDGE_MIN_MS); /* fails: as late as libcurl is */
}

void net_connected(struct transfer *t)
{
    take_connection(t);
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

static void reap(struct net *n, struct lane *l)
{
    struct transfer *t;
    CURLMsg *msg;
    CURLcode code;
    int left;

    while (l->multi && (msg = curl_multi_info_read(l->multi, &left))) {
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
static void end_all(struct lane *lane, const struct error *why)
{
    struct list ended, *l;
    struct transfer *t;

    list_init(&ended);
    while (!list_empty(&lane->transfers)) {
        t = list_entry(lane->transfers.next, struct transfer, link);
        net_remove(t->net, t);
        list_push_back(&ended, &t->link);
    }
    if (lane->multi)
        curl_multi_cleanup(lane->multi);
    lane->multi = NULL;
    lane->due_ns = NET_LANE_NEVER;
    while ((l = list_pop_front(&ended))) {
        t = list_entry(l, struct transfer, link);
        t->ended(t, CURLE_OK, why);
    }
}

static void rebuild(struct lane *l)
{
    struct error e;

    error_set(&e, ERR_PEER, "the HTTP client failed: %s", curl_multi_strerror(l->broken));
    log_error("net", "starting the HTTP client anew", "error=\"%s\"",
              curl_multi_strerror(l->broken));
    l->broken = CURLM_OK;
    end_all(l, &e); /* net_add() builds the next one */
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
    uint64_t now = clock_real_ns();
    int wait = timers_wait_ms(&n->timers, now / 1000000u), i;

    for (i = 0; i < NET_LANES; i++) {
        uint64_t due = n->lanes[i].due_ns;

        if (!due)
            return 0;
        if (due != NET_LANE_NEVER) /* rounded up: if called early, libcurl only asks for the rest */
            wait = sooner(wait, now / 1000000u, (due + 999999u) / 1000000u);
    }
    if (n->opts.tick)
        wait = sooner(wait, clock_ms(), n->tick_due_ms);
    return wait;
}

static void on_event(struct net *n, const struct epoll_event *ev)
{
    unsigned char lane = 0;
    unsigned got = sockets_take(&n->sockets, ev, &lane);
    int events = 0;

    if (!got)
        return;
    if (got & (EPOLLIN | EPOLLHUP))
        events |= CURL_CSELECT_IN;
    if (got & EPOLLOUT)
        events |= CURL_CSELECT_OUT;
    if (got & EPOLLERR)
        events |= CURL_CSELECT_ERR;
    net_lane_act(&n->lanes[lane], ev->data.fd, events);
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
    for (i = 0; i < NET_LANES; i++) {
        net_lane_bound_hosts(&n->lanes[i]);
        net_lane_run_timer(&n->lanes[i]);
        reap(n, &n->lanes[i]);
    }
    timers_run(&n->timers, clock_real_ms());
    for (i = 0; i < NET_LANES; i++) {
        if (n->lanes[i].broken)
            rebuild(&n->lanes[i]);
    }
    run_tick(n);
    inbox_release();
}

static void close_down(struct net *n)
{
    struct error e;
    int i;

    error_set(&e, ERR_CLOSED, "the node is stopping");
    inbox_close(n->inbox);
    inbox_drain(n->inbox); /* exchanges that have not begun see net_stopping() and end */
    for (i = 0; i < NET_LANES; i++)
        end_all(&n->lanes[i], &e);
    end_later(n);
    passport_unref(n->passport);
    n->passport = NULL;
    timers_deinit(&n->timers);
    sockets_deinit(&n->sockets);
}

static void *net_main(void *arg)
{
    struct net *n = arg;

    while (!net_stopping(n)) {
        turn(n);
        atomic_store_explicit(&n->turns, atomic_load_explicit(&n->turns, memory_order_relaxed) + 1,
                              memory_order_relaxed);
    }
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

/* The CURLMs of all lanes. 0: no memory for one. */
static int init_lanes(struct net *n)
{
    int i, made = 0;

    for (i = 0; i < NET_LANES; i++) {
        struct lane *l = &n->lanes[i];

        l->place = (enum net_lane)i;
        l->sockets = &n->sockets;
        l->most = i == NET_CHECKS ? CHECK_CONNECTIONS : n->opts.max_connections;
        l->most_to_host = i == NET_CHECKS ? CHECK_HOST_CONNECTIONS : n->opts.max_host_connections;
        l->due_ns = NET_LANE_NEVER;
        list_init(&l->transfers);
        made += !curl_ready && net_lane_open(l);
    }
    return made == NET_LANES;
}

static void deinit_lanes(struct net *n)
{
    int i;

    for (i = 0; i < NET_LANES; i++) {
        if (n->lanes[i].multi)
            curl_multi_cleanup(n->lanes[i].multi);
    }
}

struct net *net_start(const struct net_opts *opts, struct error *e)
{
    struct net *n = mem_zalloc(sizeof(*n));

    pthread_once(&curl_once, init_curl);
    atomic_init(&n->refs, 1);
    atomic_init(&n->stopping, 0);
    timers_init(&n->timers);
    list_init(&n->later);
    set_opts(n, opts);
    n->tick_due_ms = clock_ms() + n->opts.tick_ms;
    n->stop.run = on_stop;
    n->inbox = inbox_new(e);
    if (!n->inbox)
        goto no_inbox;
    if (sockets_init(&n->sockets, inbox_fd(n->inbox),
                     2 * n->opts.max_connections + CHECK_CONNECTIONS, e))
        goto no_sockets;
    if (!init_lanes(n)) {
        error_set(e, ERR_NOMEM, "libcurl did not start");
        goto no_multi;
    }
    if (thread_start(&n->thread, "net", 0, net_main, n, e))
        goto no_multi;
    return n;

no_multi:
    deinit_lanes(n);
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

int net_turned(struct net *n)
{
    unsigned turns = atomic_load_explicit(&n->turns, memory_order_relaxed), seen = n->seen;

    n->seen = turns;
    inbox_wake(n->inbox);
    return turns != seen;
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
