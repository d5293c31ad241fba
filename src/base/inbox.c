/* SPDX-License-Identifier: MIT */
#include "base/inbox.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"

enum {
    HELD_MAX = 16,   /* inboxes; a post to one more wakes its owner at once */
    HELD_NS = 100000 /* a wake is held no longer */
};

static const uint64_t REST_NS = (uint64_t)10 * 1000 * 1000 * 1000;

struct inbox {
    pthread_mutex_t mu;
    struct msg *head, **tail; /* guarded by mu */
    unsigned waiting;         /* guarded by mu: length of the list */
    int signalled;            /* guarded by mu: the eventfd holds a count, or is about to */
    int closed;               /* guarded by mu */
    int fd;                   /* set once */
    atomic_uint refs;         /* the owner's, and those of threads that are about to wake it */
};

/* The inboxes to which a thread has posted without waking their owners yet. */
struct held {
    pthread_mutex_t mu;           /* taken last */
    int holds;                    /* the thread's, like the times */
    uint64_t since_ns;            /* when it began to hold, or last woke the owners */
    uint64_t last_ns;             /* when the last piece of its work ended */
    uint64_t rest_ns;             /* until when it holds no wakes */
    atomic_int late;              /* another thread has woken the owners */
    atomic_uint n;                /* written under mu */
    struct inbox *list[HELD_MAX]; /* references; guarded by mu */
};

static _Thread_local struct held held = {.mu = PTHREAD_MUTEX_INITIALIZER};

struct inbox *inbox_new(struct error *e)
{
    struct inbox *in = mem_zalloc(sizeof(*in));

    in->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (in->fd < 0) {
        error_set(e, ERR_NOMEM, "eventfd: %s", strerror(errno));
        mem_free(in);
        return NULL;
    }
    pthread_mutex_init(&in->mu, NULL);
    atomic_init(&in->refs, 1);
    in->tail = &in->head;
    return in;
}

static void unref(struct inbox *in)
{
    if (atomic_fetch_sub_explicit(&in->refs, 1, memory_order_acq_rel) != 1)
        return;
    close(in->fd);
    pthread_mutex_destroy(&in->mu);
    mem_free(in);
}

void inbox_free(struct inbox *in)
{
    if (in)
        unref(in);
}

int inbox_fd(const struct inbox *in)
{
    return in->fd;
}

/* --- waking --- */

static void ref(struct inbox *in)
{
    atomic_fetch_add_explicit(&in->refs, 1, memory_order_relaxed);
}

/* Not under the lock: an owner that runs at once would only wait for it. Drops the caller's
 * reference; the owner may have closed and freed the inbox by then. */
static void wake_owner(struct inbox *in)
{
    const uint64_t one = 1;

    if (write(in->fd, &one, sizeof(one)) < 0) {
        /* a count of 1 always fits */
    }
    unref(in);
}

/* Returns whether the caller is to wake_owner(). */
static int claim_locked(struct inbox *in)
{
    if (in->signalled)
        return 0;
    in->signalled = 1;
    ref(in);
    return 1;
}

void inbox_wake(struct inbox *in)
{
    int mine;

    pthread_mutex_lock(&in->mu);
    mine = claim_locked(in);
    pthread_mutex_unlock(&in->mu);
    if (mine)
        wake_owner(in);
}

static unsigned n_held(const struct held *h)
{
    return atomic_load_explicit(&h->n, memory_order_relaxed);
}

/* Returns whether the wake is left to inbox_release(). */
static int hold_locked(struct inbox *in)
{
    unsigned i = 0, n;

    if (!held.holds)
        return 0;
    pthread_mutex_lock(&held.mu);
    n = n_held(&held);
    while (i < n && held.list[i] != in)
        i++;
    if (i == n && n < HELD_MAX) {
        ref(in);
        held.list[n] = in;
        atomic_store_explicit(&held.n, n + 1, memory_order_relaxed);
    }
    pthread_mutex_unlock(&held.mu);
    return i < HELD_MAX;
}

/* A reference, or NULL. */
static struct inbox *next_held(struct held *h)
{
    struct inbox *in = NULL;
    unsigned n;

    pthread_mutex_lock(&h->mu);
    n = n_held(h);
    if (n) {
        in = h->list[n - 1];
        atomic_store_explicit(&h->n, n - 1, memory_order_relaxed);
    }
    pthread_mutex_unlock(&h->mu);
    return in;
}

/* An owner that was awake and has taken its messages is not woken. */
static void wake_held(struct held *h)
{
    struct inbox *in;
    int mine;

    while ((in = next_held(h))) {
        pthread_mutex_lock(&in->mu);
        mine = in->head && claim_locked(in);
        pthread_mutex_unlock(&in->mu);
        if (mine)
            wake_owner(in);
        unref(in);
    }
}

void inbox_hurry(void)
{
    if (n_held(&held)) {
        held.since_ns = clock_ns();
        wake_held(&held);
    }
}

struct held *inbox_held(void)
{
    return &held;
}

void inbox_hurry_held(struct held *h)
{
    if (n_held(h)) {
        atomic_store(&h->late, 1);
        wake_held(h);
    }
}

static void hurry_if_late(void)
{
    if (n_held(&held) && clock_ns() - held.since_ns > HELD_NS)
        inbox_hurry();
}

/* A message that takes too long by itself, such as a getter that blocks in C, delayed the wakes of
 * the messages before it. More such messages may follow, so wakes are not held for a while. */
static void rest_if_slow(void)
{
    uint64_t now_ns;

    if (!n_held(&held) && !atomic_load_explicit(&held.late, memory_order_relaxed))
        return;
    atomic_store_explicit(&held.late, 0, memory_order_relaxed);
    now_ns = clock_ns();
    if (now_ns - held.last_ns > HELD_NS) {
        held.rest_ns = now_ns + REST_NS;
        inbox_release();
    }
    held.last_ns = now_ns;
}

void inbox_hold(void)
{
    held.since_ns = held.last_ns = clock_ns();
    held.holds = held.since_ns >= held.rest_ns;
}

void inbox_worked(void)
{
    rest_if_slow();
    hurry_if_late();
}

void inbox_release(void)
{
    held.holds = 0;
    inbox_hurry();
}

/* --- messages --- */

int inbox_post(struct inbox *in, struct msg *m)
{
    int mine;

    m->next = NULL;
    pthread_mutex_lock(&in->mu);
    if (in->closed) {
        pthread_mutex_unlock(&in->mu);
        return 0;
    }
    *in->tail = m;
    in->tail = &m->next;
    in->waiting++;
    mine = !in->signalled && !hold_locked(in) && claim_locked(in);
    pthread_mutex_unlock(&in->mu);
    if (mine)
        wake_owner(in);
    hurry_if_late();
    return 1;
}

static struct msg *pop(struct inbox *in)
{
    struct msg *m;

    pthread_mutex_lock(&in->mu);
    m = in->head;
    if (m) {
        in->head = m->next;
        in->waiting--;
    }
    if (!in->head)
        in->tail = &in->head;
    pthread_mutex_unlock(&in->mu);
    return m;
}

/* One at a time: when a message never returns, another thread can still take the messages after it.
 */
unsigned inbox_drain_some(struct inbox *in, unsigned max)
{
    struct msg *m;
    unsigned n, ran;
    uint64_t count;

    if (held.holds)
        held.last_ns = clock_ns();
    pthread_mutex_lock(&in->mu);
    n = in->waiting < max ? in->waiting : max;
    if (n == in->waiting && in->signalled && read(in->fd, &count, sizeof(count)) > 0)
        in->signalled = 0; /* otherwise the thread that claimed it has not written yet */
    pthread_mutex_unlock(&in->mu);
    for (ran = 0; ran < n && (m = pop(in)); ran++) {
        m->run(m);
        inbox_worked();
    }
    return ran;
}

unsigned inbox_drain(struct inbox *in)
{
    return inbox_drain_some(in, UINT_MAX);
}

void inbox_close(struct inbox *in)
{
    pthread_mutex_lock(&in->mu);
    in->closed = 1;
    pthread_mutex_unlock(&in->mu);
}
