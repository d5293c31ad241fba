/* SPDX-License-Identifier: MIT */
#include "base/inbox.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/mem.h"

struct inbox {
    pthread_mutex_t mu;
    struct msg *head, **tail; /* guarded by mu */
    unsigned waiting;         /* guarded by mu: length of the list */
    int signalled;            /* guarded by mu: the eventfd holds a count */
    int closed;               /* guarded by mu */
    int fd;                   /* set once */
};

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
    in->tail = &in->head;
    return in;
}

void inbox_free(struct inbox *in)
{
    if (!in)
        return;
    close(in->fd);
    pthread_mutex_destroy(&in->mu);
    mem_free(in);
}

int inbox_fd(const struct inbox *in)
{
    return in->fd;
}

/* Under the lock: once it is dropped the owner may take a message, close and free us. */
static void signal_locked(struct inbox *in)
{
    const uint64_t one = 1;

    if (!in->signalled && write(in->fd, &one, sizeof(one)) < 0) {
        /* a count of 1 always fits */
    }
    in->signalled = 1;
}

void inbox_wake(struct inbox *in)
{
    pthread_mutex_lock(&in->mu);
    signal_locked(in);
    pthread_mutex_unlock(&in->mu);
}

int inbox_post(struct inbox *in, struct msg *m)
{
    m->next = NULL;
    pthread_mutex_lock(&in->mu);
    if (in->closed) {
        pthread_mutex_unlock(&in->mu);
        return 0;
    }
    *in->tail = m;
    in->tail = &m->next;
    in->waiting++;
    signal_locked(in);
    pthread_mutex_unlock(&in->mu);
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

/* One at a time: should a message never return, another thread can still take what is behind it. */
unsigned inbox_drain(struct inbox *in)
{
    struct msg *m;
    unsigned n, ran;
    uint64_t count;

    pthread_mutex_lock(&in->mu);
    n = in->waiting;
    if (in->signalled && read(in->fd, &count, sizeof(count)) < 0) {
        /* signalled says that a count is there */
    }
    in->signalled = 0;
    pthread_mutex_unlock(&in->mu);
    for (ran = 0; ran < n && (m = pop(in)); ran++)
        m->run(m);
    return ran;
}

void inbox_close(struct inbox *in)
{
    pthread_mutex_lock(&in->mu);
    in->closed = 1;
    pthread_mutex_unlock(&in->mu);
}
