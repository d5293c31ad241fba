/* SPDX-License-Identifier: MIT */
#include "http/porch.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/list.h"
#include "base/mem.h"
#include "http/crowd.h"
#include "http/refusal.h"

enum {
    PIECE = 16 * 1024,
    AT_ONCE = 32,
    DRAIN_BYTES = 1024 * 1024 /* read after a refusal, for a client that reads only at its end */
};

struct waiting {
    struct porch_guest guest;
    struct list link;
    struct guest in_crowd;
    size_t line_at; /* where the last line of the head begins */
    int lines;
    size_t drained;
    int refused; /* 1: has its answer. What it still sends is read and dropped: if unread bytes
                  * are there at a close, the client may lose the answer */
};

static _Thread_local struct {
    struct porch_opts opts;
    int epoll;              /* valid while all.next is not NULL */
    struct list all, fresh; /* of waiting: those that porch_run() has seen, those it has not */
} mine;

size_t porch_max_head(size_t max_target)
{
    size_t beyond = max_target > PORCH_LINE_BYTES ? max_target - PORCH_LINE_BYTES : 0;

    return PORCH_HEAD_BYTES + beyond;
}

int porch_open(const struct porch_opts *o, struct error *e)
{
    mine.opts = *o;
    mine.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (mine.epoll < 0) {
        error_set(e, ERR_NOMEM, "epoll: %s", strerror(errno));
        return -1;
    }
    list_init(&mine.all);
    list_init(&mine.fresh);
    return mine.epoll;
}

int porch_has_room(void)
{
    return mine.all.next &&
           atomic_load_explicit(&mine.opts.crowd->n, memory_order_relaxed) < mine.opts.crowd->most;
}

/* Takes the guest off; its parts are the caller's. */
static void leave(struct waiting *w)
{
    crowd_leave(&w->in_crowd);
    list_del(&w->link);
}

static void end(struct waiting *w)
{
    leave(w);
    close(w->guest.fd);
    buf_deinit(&w->guest.head);
    mem_free(w);
}

static void complete(struct waiting *w)
{
    struct porch_guest g = w->guest;

    leave(w);
    mem_free(w);
    epoll_ctl(mine.epoll, EPOLL_CTL_DEL, g.fd, NULL); /* its descriptor lives on */
    mine.opts.complete(mine.opts.ctx, &g);
}

/* The status of a refusal, or 0. */
static int too_large(const struct waiting *w, size_t line)
{
    size_t most = PORCH_LINE_BYTES;

    if (w->lines == 0 && mine.opts.max_target > most)
        most = mine.opts.max_target;
    return line > most ? (w->lines == 0 ? 414 : 431) : 0;
}

/* Looks at the bytes of the head from `from` on. Returns the length of the head if its end is
 * there, else 0, with the status of a refusal if a limit is exceeded. */
static size_t find_end(struct waiting *w, size_t from, int *status)
{
    const struct buf *h = &w->guest.head;
    const char *nl;

    *status = 0;
    while (from < h->len && (nl = memchr(h->data + from, '\n', h->len - from))) {
        const char *line = h->data + w->line_at;
        size_t n = (size_t)(nl - line);

        *status = too_large(w, n);
        if (*status)
            return 0;
        from = w->line_at = (size_t)(nl + 1 - h->data);
        if (w->lines && (n == 0 || (n == 1 && *line == '\r'))) {
            *status = from > porch_max_head(mine.opts.max_target) ? 431 : 0;
            return *status ? 0 : from;
        }
        w->lines++;
    }
    *status = too_large(w, h->len - w->line_at);
    if (!*status && h->len > porch_max_head(mine.opts.max_target))
        *status = 431;
    return 0;
}

static void refuse(struct waiting *w, int status)
{
    refusal_send(w->guest.fd, status);
    w->refused = 1;
}

/* Drops what a refused client sends. 0: it has ended, or sent enough. */
static int drain(struct waiting *w)
{
    char piece[PIECE];
    ssize_t n;

    while ((n = recv(w->guest.fd, piece, sizeof(piece), MSG_DONTWAIT)) > 0) {
        w->drained += (size_t)n;
        if (w->drained > DRAIN_BYTES)
            return 0;
    }
    return n < 0 && (errno == EAGAIN || errno == EINTR);
}

/* Reads as far as the head goes. 1: complete; 0: more must come; -1: the connection has ended. */
static int read_on(struct waiting *w)
{
    struct buf *h = &w->guest.head;
    char piece[PIECE];

    for (;;) {
        ssize_t n = recv(w->guest.fd, piece, sizeof(piece), MSG_PEEK | MSG_DONTWAIT);
        size_t before = h->len, all;
        int status;

        if (n <= 0)
            return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
        if (buf_put(h, piece, (size_t)n))
            return -1;
        all = find_end(w, before, &status);
        if (all)
            h->len = all;
        if (recv(w->guest.fd, piece, h->len - before, MSG_DONTWAIT) < 0)
            return -1;
        if (all)
            return 1;
        if (status) {
            refuse(w, status);
            return drain(w) ? 0 : -1;
        }
    }
}

static void go_on(struct waiting *w)
{
    int how = w->refused ? (drain(w) ? 0 : -1) : read_on(w);

    if (how > 0)
        complete(w);
    else if (how < 0)
        end(w);
}

void porch_enter(const struct porch_guest *g)
{
    struct waiting *w = mem_zalloc(sizeof(*w));

    w->guest = *g;
    crowd_enter(mine.opts.crowd, &w->in_crowd, NULL, g->fd, 0);
    list_push_back(&mine.fresh, &w->link);
}

/* The first look at a guest. */
static void begin(struct waiting *w)
{
    struct epoll_event ev = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.ptr = w};
    int status = w->guest.refuse;
    size_t all = status ? 0 : find_end(w, 0, &status);

    list_push_back(&mine.all, &w->link);
    if (all)
        complete(w);
    else if (w->guest.head.failed || epoll_ctl(mine.epoll, EPOLL_CTL_ADD, w->guest.fd, &ev) < 0)
        end(w);
    else if (status)
        refuse(w, status);
}

int porch_is_used(void)
{
    return mine.all.next && (list_linked(&mine.fresh) || list_linked(&mine.all));
}

void porch_run(void)
{
    struct epoll_event events[AT_ONCE];
    struct list *l;
    int i, n;

    while ((l = list_pop_front(&mine.fresh)))
        begin(list_entry(l, struct waiting, link));
    n = epoll_wait(mine.epoll, events, AT_ONCE, 0);
    for (i = 0; i < n; i++)
        go_on(events[i].data.ptr);
}

void porch_close(void)
{
    struct list *l;

    if (!mine.all.next)
        return;
    list_splice_back(&mine.all, &mine.fresh);
    while ((l = list_pop_front(&mine.all)))
        end(list_entry(l, struct waiting, link));
    close(mine.epoll);
    mine.all.next = NULL;
}
