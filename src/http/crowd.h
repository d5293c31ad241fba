/* SPDX-License-Identifier: MIT */
/* crowd.h - the connections of a server: how many there are, which one gives way to a new one, and
 * which client is too slow.
 *
 * A connection is idle while no request is under way: between two requests, before the first, and
 * until the head of a request is whole. If there are more than max_connections, each new one ends
 * an idle one: the oldest of those that never asked, else the one that was idle for longest. If a
 * whole request of that one has just been read, it is answered before the end. Only if all have
 * requests under way is the first request of a new connection refused.
 *
 * For its own timeout libmicrohttpd reads the clock three times a request. Here a request costs two
 * additions. Once a second each thread looks at its connections; the kernel knows when a socket
 * last sent or received. A suspended connection waits for us, not for its client, so its time does
 * not count. */
#ifndef CROWD_H
#define CROWD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "base/list.h"

struct MHD_Connection;
struct answer_form;
struct tally;

struct crowd {
    unsigned max;        /* set once, as is the next */
    unsigned most;       /* with the places that are kept for peers and operators */
    struct tally *tally; /* borrowed */
    pthread_mutex_t mu;
    atomic_uint n;   /* connections, less those that gave way; written under mu */
    struct list all; /* guarded by mu: guest.in_crowd, oldest first */
};

/* Of a connection. */
struct guest {
    struct crowd *crowd;
    struct MHD_Connection *connection; /* or NULL */
    struct list in_crowd;              /* guarded by crowd.mu */
    atomic_int gave_way;               /* 1: it is no longer counted; written under crowd.mu */
    int fd;                            /* set once, as is the next */
    int sealed;                        /* 1: TLS: a text that is sent past it would be garbage */
    atomic_uint turns;                 /* odd: a request is under way */
    _Atomic uint64_t quiet_ms;         /* since when turns is as it is, to the second */

    /* Its thread's. */
    struct list on_thread;
    unsigned seen;     /* turns, as of the last look */
    uint64_t look_ms;  /* when the kernel is asked next */
    uint64_t moved;    /* bytes received, or acknowledged, as of the first such look; */
    unsigned moved_at; /* at this number of turns */
    uint64_t due_ms;   /* the deadline of a body or an answer, */
    unsigned due_at;   /* at this number of turns */
    int due_is_body;
    struct answer_form *form; /* that is being sent, or NULL: answer_form.c's */
};

void crowd_init(struct crowd *c, unsigned max, struct tally *tally);
void crowd_deinit(struct crowd *c);

/* The connection's thread. If there are too many connections, idle ones give way. `connection` is
 * NULL while libmicrohttpd does not have it. `sealed` is 1 for TLS, whose handshake has a deadline
 * of its own. */
void crowd_enter(struct crowd *c, struct guest *g, struct MHD_Connection *connection, int fd,
                 int sealed);

/* Any thread: the connections that came within the last second and have not asked yet, and those
 * whose bytes wait in the socket. */
unsigned crowd_about_to_ask(struct crowd *c);

/* The connection ends; its descriptor is still open. */
void crowd_leave(struct guest *g);

/* The guest of a connection: its socket context, as libmicrohttpd calls that, begins with it. */
struct guest *crowd_guest(struct MHD_Connection *connection);

/* A request begins, or ends: the connection's thread. */
static inline void crowd_turn(struct guest *g)
{
    unsigned turns = atomic_load_explicit(&g->turns, memory_order_relaxed);

    atomic_store_explicit(&g->turns, turns + 1, memory_order_relaxed);
}

/* Within the first call of a request: 1: it may be served. Only the first request of a connection
 * can be refused. `kept` is 1 for peers and operators: some places are kept for them. */
int crowd_may_ask(struct guest *g, int kept);

/* The connection's thread: the body of the current request must be whole at that time. 0: no such
 * deadline. */
void crowd_body_until(struct guest *g, uint64_t due_ms);

/* The connection's thread: the current answer must be read at that time. Without this call it is
 * CROWD_ANSWER_MS, and a second for each 100 KB that the client has taken. */
void crowd_answer_until(struct guest *g, uint64_t due_ms);

enum { CROWD_ANSWER_MS = 30 * 1000, CROWD_BYTES_A_MS = 100 };

/* The thread's: to be called at the latest at crowd_due_ms(), UINT64_MAX for never. Shuts down the
 * sockets of clients that are too slow, which libmicrohttpd then closes. */
void crowd_sweep(uint64_t now_ms);
uint64_t crowd_due_ms(void);

/* The thread ends: no further sweep. */
void crowd_stop(void);

/* Bytes that this process has read from a TCP socket; never too few, if more arrive meanwhile.
 * CROWD_UNKNOWN for other descriptors. */
uint64_t crowd_read(int fd);

/* The time for which a TCP socket has neither sent nor received bytes. 0 for other descriptors. */
unsigned crowd_idle_ms(int fd);

/* Bytes that the other side of a TCP socket has acknowledged; CROWD_UNKNOWN for other descriptors.
 */
uint64_t crowd_acked(int fd);

#define CROWD_UNKNOWN UINT64_MAX

#endif
