/* SPDX-License-Identifier: MIT */
#include "http/crowd.h"

#include <linux/tcp.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/log.h"
#include "http/tally.h"

enum {
    SWEEP_MS = 1000,
    LOOK_MS = 5 * 1000,    /* between two looks at the socket of an idle connection */
    HEAD_MS = 5 * 1000,    /* from the first byte of a head to its last */
    SILENT_MS = 10 * 1000, /* until a new connection sends its first byte */
    IDLE_MS = 120 * 1000,  /* Go's clients keep a connection for 90 seconds, and do not repeat a PUT
                            * if it was closed */
    NEW_MS = 1000,         /* a connection that is older and has not asked gives way first */
    KEPT_IN = 10,
    KEPT = 4 /* places for peers and operators: a share of max, and so many more */
};

struct thread {
    struct list all; /* guest.on_thread; not made while next is NULL */
    uint64_t sweep_ms;
};

static _Thread_local struct thread mine;

/* --- what the kernel knows --- */

static int ask_kernel(int fd, struct tcp_info *t)
{
    socklen_t n = sizeof(*t);

    memset(t, 0, sizeof(*t));
    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, t, &n) == 0;
}

static unsigned idle_of(const struct tcp_info *t)
{
    return t->tcpi_last_data_sent < t->tcpi_last_data_recv ? t->tcpi_last_data_sent
                                                           : t->tcpi_last_data_recv;
}

unsigned crowd_idle_ms(int fd)
{
    struct tcp_info t;

    return ask_kernel(fd, &t) ? idle_of(&t) : 0;
}

uint64_t crowd_read(int fd)
{
    int unread; /* asked for first: what arrives in between makes the difference larger */
    struct tcp_info t;

    if (ioctl(fd, FIONREAD, &unread) < 0 || !ask_kernel(fd, &t))
        return CROWD_UNKNOWN;
    return t.tcpi_bytes_received - (unsigned long long)unread;
}

uint64_t crowd_acked(int fd)
{
    struct tcp_info t;

    return ask_kernel(fd, &t) ? t.tcpi_bytes_acked : CROWD_UNKNOWN;
}

/* --- who may come in --- */

void crowd_init(struct crowd *c, unsigned max, struct tally *tally)
{
    c->max = max;
    c->most = max + max / KEPT_IN + KEPT;
    c->tally = tally;
    atomic_init(&c->n, 0);
    pthread_mutex_init(&c->mu, NULL);
    list_init(&c->all);
}

void crowd_deinit(struct crowd *c)
{
    pthread_mutex_destroy(&c->mu);
}

static int is_busy(unsigned turns)
{
    return turns % 2 != 0;
}

static int gave_way(const struct guest *g)
{
    return atomic_load_explicit(&g->gave_way, memory_order_relaxed);
}

/* Whether bytes wait in the socket: a request is about to begin. */
static int has_bytes(int fd)
{
    int n = 0;

    return ioctl(fd, FIONREAD, &n) == 0 && n > 0;
}

/* The idle connection that gives way, or NULL; not g. */
static struct guest *oldest_idle_locked(struct crowd *c, const struct guest *g, uint64_t now_ms)
{
    struct guest *oldest = NULL;
    uint64_t oldest_ms = UINT64_MAX;
    struct list *l;

    list_each (l, &c->all) {
        struct guest *o = list_entry(l, struct guest, in_crowd);
        unsigned turns = atomic_load_explicit(&o->turns, memory_order_relaxed);
        uint64_t quiet_ms = atomic_load_explicit(&o->quiet_ms, memory_order_relaxed);

        if (is_busy(turns) || gave_way(o) || o == g)
            continue;
        if ((turns && quiet_ms >= oldest_ms) || has_bytes(o->fd))
            continue;
        if (!turns && quiet_ms + NEW_MS <= now_ms)
            return o;
        if (quiet_ms < oldest_ms) {
            oldest = o;
            oldest_ms = quiet_ms;
        }
    }
    return oldest;
}

/* Ends idle connections, but not g, until there are no more than there may be. Only reading ends:
 * if a thread has just read a request, which nobody can see yet, its client gets the answer. */
static void make_room_locked(struct crowd *c, const struct guest *g, uint64_t now_ms)
{
    struct guest *oldest;

    while (c->n > c->max && (oldest = oldest_idle_locked(c, g, now_ms))) {
        atomic_store_explicit(&oldest->gave_way, 1, memory_order_relaxed);
        c->n--;
        tally_add(&c->tally->gave_way);
        shutdown(oldest->fd, SHUT_RD); /* it is open as long as the guest is in the list */
    }
}

/* Its request had begun when it gave way. */
static void count_again_locked(struct crowd *c, struct guest *g)
{
    if (!gave_way(g))
        return;
    atomic_store_explicit(&g->gave_way, 0, memory_order_relaxed);
    c->n++;
}

int crowd_may_ask(struct guest *g, int kept)
{
    int may = atomic_load_explicit(&g->turns, memory_order_relaxed) > 1;
    struct crowd *c = g->crowd;

    if (!gave_way(g) && (may || atomic_load_explicit(&c->n, memory_order_relaxed) <= c->max))
        return 1;
    pthread_mutex_lock(&c->mu);
    count_again_locked(c, g);
    if (!may) { /* else those that are too many give way to the next new one */
        make_room_locked(c, g, clock_ms());
        may = c->n <= (kept ? c->most : c->max);
    }
    pthread_mutex_unlock(&c->mu);
    return may;
}

void crowd_enter(struct crowd *c, struct guest *g, struct MHD_Connection *connection, int fd,
                 int sealed)
{
    uint64_t now_ms = clock_ms();

    *g = (struct guest){.crowd = c,
                        .connection = connection,
                        .fd = fd,
                        .sealed = sealed,
                        .look_ms = now_ms + HEAD_MS};
    atomic_init(&g->gave_way, 0);
    atomic_init(&g->turns, 0);
    atomic_init(&g->quiet_ms, now_ms);
    if (!mine.all.next)
        list_init(&mine.all);
    if (list_empty(&mine.all))
        mine.sweep_ms = now_ms + SWEEP_MS;
    list_push_back(&mine.all, &g->on_thread);
    pthread_mutex_lock(&c->mu);
    list_push_back(&c->all, &g->in_crowd);
    c->n++;
    make_room_locked(c, g, now_ms);
    pthread_mutex_unlock(&c->mu);
}

unsigned crowd_about_to_ask(struct crowd *c)
{
    uint64_t now_ms = clock_ms();
    struct list *l;
    unsigned n = 0;

    pthread_mutex_lock(&c->mu);
    list_each (l, &c->all) {
        const struct guest *g = list_entry(l, struct guest, in_crowd);
        unsigned turns = atomic_load_explicit(&g->turns, memory_order_relaxed);
        uint64_t quiet_ms = atomic_load_explicit(&g->quiet_ms, memory_order_relaxed);

        if (!is_busy(turns) && !gave_way(g) &&
            ((!turns && quiet_ms + NEW_MS > now_ms) || has_bytes(g->fd)))
            n++;
    }
    pthread_mutex_unlock(&c->mu);
    return n;
}

struct guest *crowd_guest(struct MHD_Connection *connection)
{
    return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

void crowd_leave(struct guest *g)
{
    struct crowd *c = g->crowd;

    list_del(&g->on_thread);
    pthread_mutex_lock(&c->mu);
    list_del(&g->in_crowd);
    if (!gave_way(g))
        c->n--;
    pthread_mutex_unlock(&c->mu);
}

/* --- who is too slow --- */

static void due(struct guest *g, uint64_t due_ms, int is_body)
{
    g->due_ms = due_ms;
    g->due_at = atomic_load_explicit(&g->turns, memory_order_relaxed);
    g->due_is_body = is_body;
}

void crowd_body_until(struct guest *g, uint64_t due_ms)
{
    due(g, due_ms, 1);
}

void crowd_answer_until(struct guest *g, uint64_t due_ms)
{
    due(g, due_ms, 0);
}

/* Past libmicrohttpd, which has not answered and may not answer now. */
static void say_late(const struct guest *g)
{
    static const char text[] =
        "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Type: application/json\r\n"
        "Content-Length: 64\r\n\r\n"
        "{\"error\":\"the request did not arrive in time\",\"code\":\"TIMEOUT\"}\n";

    if (!g->sealed && send(g->fd, text, sizeof(text) - 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
        /* nobody is there to read it */
    }
}

static void end(struct guest *g, _Atomic uint64_t *counter, const char *why)
{
    tally_add(counter);
    log_debug("server", "closed a connection", "why=\"%s\"", why);
    shutdown(g->fd, SHUT_RDWR);
}

/* A head is under way if bytes have arrived and no request has begun. The first bytes of TLS are
 * its handshake. */
static void look_at_idle(struct guest *g, uint64_t now_ms)
{
    struct tcp_info t;
    uint64_t quiet_ms = now_ms - atomic_load_explicit(&g->quiet_ms, memory_order_relaxed);
    int asked = g->seen > 0, looked = g->moved_at == g->seen && asked;

    g->look_ms = now_ms + (asked ? LOOK_MS : SWEEP_MS);
    ask_kernel(g->fd, &t); /* of other sockets it knows nothing: all zero */
    if (t.tcpi_bytes_received > g->moved && (looked || (!asked && !g->sealed))) {
        say_late(g);
        end(g, &g->crowd->tally->late_heads, "the head did not arrive in time");
    } else if (!asked && quiet_ms >= SILENT_MS + (g->sealed ? HEAD_MS : 0)) {
        end(g, &g->crowd->tally->late_heads, "nothing was asked");
    } else if (idle_of(&t) >= IDLE_MS) {
        shutdown(g->fd, SHUT_RDWR);
    }
    if (asked) {
        g->moved = t.tcpi_bytes_received;
        g->moved_at = g->seen;
    }
}

/* The size of the answer is not known: it is streamed, or small. */
static void look_at_answer(struct guest *g, uint64_t now_ms)
{
    uint64_t ms = now_ms - atomic_load_explicit(&g->quiet_ms, memory_order_relaxed);
    uint64_t acked = crowd_acked(g->fd);

    g->look_ms = now_ms + LOOK_MS;
    if (acked == CROWD_UNKNOWN)
        return;
    if (g->moved_at != g->seen) {
        g->moved_at = g->seen;
        g->moved = acked;
    } else if (ms >= CROWD_ANSWER_MS + (acked - g->moved) / CROWD_BYTES_A_MS) {
        end(g, &g->crowd->tally->late_readers, "the answer was not read in time");
    }
}

static int is_suspended(const struct guest *g)
{
    return g->connection &&
           MHD_get_connection_info(g->connection, MHD_CONNECTION_INFO_CONNECTION_SUSPENDED)
               ->suspended;
}

static void look_at_busy(struct guest *g, uint64_t now_ms)
{
    if (is_suspended(g)) {
        atomic_store_explicit(&g->quiet_ms, now_ms, memory_order_relaxed);
    } else if (g->due_at == g->seen && g->due_ms) {
        if (now_ms < g->due_ms)
            return;
        if (g->due_is_body) {
            say_late(g);
            end(g, &g->crowd->tally->late_bodies, "the body did not arrive in time");
        } else {
            end(g, &g->crowd->tally->late_readers, "the answer was not read in time");
        }
    } else if (now_ms >= g->look_ms) {
        look_at_answer(g, now_ms);
    }
}

static void look_at(struct guest *g, uint64_t now_ms)
{
    unsigned turns = atomic_load_explicit(&g->turns, memory_order_relaxed);

    if (turns != g->seen) {
        g->seen = turns;
        g->look_ms = now_ms + LOOK_MS;
        atomic_store_explicit(&g->quiet_ms, now_ms, memory_order_relaxed);
    }
    if (is_busy(turns))
        look_at_busy(g, now_ms);
    else if (now_ms >= g->look_ms)
        look_at_idle(g, now_ms);
}

void crowd_sweep(uint64_t now_ms)
{
    struct list *l;

    if (now_ms < crowd_due_ms())
        return;
    mine.sweep_ms += SWEEP_MS; /* late sweeps do not add up */
    if (mine.sweep_ms <= now_ms)
        mine.sweep_ms = now_ms + SWEEP_MS;
    list_each (l, &mine.all)
        look_at(list_entry(l, struct guest, on_thread), now_ms);
}

uint64_t crowd_due_ms(void)
{
    return mine.all.next && !list_empty(&mine.all) ? mine.sweep_ms : UINT64_MAX;
}

void crowd_stop(void)
{
    if (!mine.all.next)
        return;
    while (list_pop_front(&mine.all))
        ;
    mine.all.next = NULL;
}
