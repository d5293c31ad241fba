/* SPDX-License-Identifier: MIT */
#include "net/sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"

struct watch {
    unsigned char wanted;     /* EPOLLIN, EPOLLOUT: what libcurl waits for */
    unsigned char registered; /* its events in the epoll set */
    unsigned char connection; /* opened by sockets_open() and not closed yet */
    unsigned char heard;      /* libcurl has waited for its bytes, so it was connected */
    unsigned char user;       /* of the last wait */
    ino_t socket;             /* of a connection: its inode when it was opened */
};

static struct watch *watch_of(struct sockets *s, int fd)
{
    size_t want = s->n ? s->n : 64;
    struct watch *grown;

    if (fd < 0)
        return NULL;
    if ((size_t)fd < s->n)
        return &s->watches[fd];
    while (want <= (size_t)fd)
        want *= 2;
    grown = mem_realloc(s->watches, want * sizeof(*grown));
    if (!grown)
        return NULL;
    memset(grown + s->n, 0, (want - s->n) * sizeof(*grown));
    s->watches = grown;
    s->n = want;
    return &s->watches[fd];
}

static void unregister(struct sockets *s, struct watch *w, int fd)
{
    struct epoll_event none = {0};

    /* Fails if libcurl has closed the descriptor already, which has the same effect. */
    epoll_ctl(s->epoll, EPOLL_CTL_DEL, fd, &none);
    w->registered = 0;
}

/* Closes a connection that libcurl keeps. Its number becomes a dead end: libcurl reads an end of
 * file there and closes it. After a mere shutdown, a connection with unread bytes would still seem
 * alive to libcurl. */
static void drop_connection(struct sockets *s, struct watch *w, int fd)
{
    if (w->registered)
        unregister(s, w, fd);
    if (dup3(s->dead_end, fd, O_CLOEXEC) < 0) {
        log_warn("net", "cannot close a connection", "fd=%d error=\"%s\"", fd, strerror(errno));
        shutdown(fd, SHUT_RDWR);
    }
}

static int register_as(struct sockets *s, struct watch *w, int fd, unsigned char events)
{
    struct epoll_event ev = {.events = events, .data = {.fd = fd}};
    int op = w->registered ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    int rc = epoll_ctl(s->epoll, op, fd, &ev);

    /* The number was closed and used again without our knowledge. */
    if (rc && op == EPOLL_CTL_MOD && errno == ENOENT)
        rc = epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &ev);
    else if (rc && op == EPOLL_CTL_ADD && errno == EEXIST)
        rc = epoll_ctl(s->epoll, EPOLL_CTL_MOD, fd, &ev);
    if (rc) {
        log_warn("net", "cannot watch a connection", "fd=%d error=\"%s\"", fd, strerror(errno));
        return -1;
    }
    w->registered = events;
    return 0;
}

/* We must know if an idle connection becomes readable. */
static void watch_idle(struct sockets *s, struct watch *w, int fd)
{
    if (w->registered != EPOLLIN && register_as(s, w, fd, EPOLLIN))
        drop_connection(s, w, fd);
}

/* If libcurl gives up an address, it first closes the socket, then says that it no longer watches
 * it. By then the number may belong to another thread. */
static int is_closed(const struct watch *w, int fd)
{
    struct stat st;

    return !w->heard && (fstat(fd, &st) || st.st_ino != w->socket);
}

int sockets_want(struct sockets *s, int fd, unsigned events, unsigned char user)
{
    struct watch *w = watch_of(s, fd);

    if (!w)
        return events ? -1 : 0;
    w->wanted = (unsigned char)events;
    w->user = user;
    w->heard = w->heard || (events & EPOLLIN);
    if (events)
        return w->connection && w->wanted == w->registered ? 0 : register_as(s, w, fd, w->wanted);
    if (!w->connection)
        unregister(s, w, fd);
    else if (is_closed(w, fd))
        *w = (struct watch){0}; /* the epoll set forgets closed descriptors */
    else
        watch_idle(s, w, fd);
    return 0;
}

void sockets_watch(struct sockets *s, int fd)
{
    struct watch *w = watch_of(s, fd);

    if (w && w->connection && !w->registered)
        watch_idle(s, w, fd);
}

int sockets_open(struct sockets *s, int family, int type, int protocol)
{
    int fd = socket(family, type | SOCK_CLOEXEC, protocol);
    struct watch *w;
    struct stat st;

    if (fd < 0)
        return -1;
    w = watch_of(s, fd);
    if (!w || fstat(fd, &st)) {
        close(fd);
        return -1;
    }
    *w = (struct watch){.connection = 1, .socket = st.st_ino};
    return fd;
}

int sockets_close(struct sockets *s, int fd)
{
    struct watch *w = watch_of(s, fd);

    if (w) {
        if (w->registered)
            unregister(s, w, fd);
        *w = (struct watch){0};
    }
    return close(fd);
}

/* Nobody waits for this descriptor. */
static void on_idle_event(struct sockets *s, struct watch *w, int fd)
{
    char byte;

    if (!w->connection) {
        unregister(s, w, fd);
        return;
    }
    if (recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0)
        log_debug("net", "bytes on an idle connection, closing it", "fd=%d", fd);
    drop_connection(s, w, fd);
}

unsigned sockets_take(struct sockets *s, const struct epoll_event *ev, unsigned char *user)
{
    struct watch *w = watch_of(s, ev->data.fd);

    if (w && w->wanted) {
        *user = w->user;
        return ev->events;
    }
    if (w)
        on_idle_event(s, w, ev->data.fd);
    return 0;
}

int sockets_drop_speakers(struct sockets *s)
{
    int dropped = 0, i, fd, count = epoll_wait(s->epoll, s->all, s->max, 0);
    struct watch *w;

    /* The set is level-triggered: it reports the other ready descriptors again. */
    for (i = 0; i < count; i++) {
        fd = s->all[i].data.fd;
        w = fd == s->inbox ? NULL : watch_of(s, fd);
        if (!w || !w->connection || w->wanted)
            continue;
        on_idle_event(s, w, fd);
        dropped = 1;
    }
    return dropped;
}

/* -1: no descriptor. */
static int dead_end_new(void)
{
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair))
        return -1;
    close(pair[1]);
    return pair[0];
}

enum err sockets_init(struct sockets *s, int inbox, unsigned max_connections, struct error *e)
{
    struct epoll_event ev = {.events = EPOLLIN, .data = {.fd = inbox}};

    memset(s, 0, sizeof(*s));
    s->inbox = inbox;
    s->epoll = epoll_create1(EPOLL_CLOEXEC);
    s->dead_end = dead_end_new();
    if (s->epoll < 0 || s->dead_end < 0 || epoll_ctl(s->epoll, EPOLL_CTL_ADD, inbox, &ev)) {
        error_set(e, ERR_NOMEM, "no descriptors for connections: %s", strerror(errno));
        sockets_deinit(s);
        return e->code;
    }
    s->max = (int)max_connections + 1;
    s->all = mem_zalloc((size_t)s->max * sizeof(*s->all));
    return ERR_OK;
}

void sockets_deinit(struct sockets *s)
{
    mem_free(s->watches);
    mem_free(s->all);
    if (s->dead_end >= 0)
        close(s->dead_end);
    if (s->epoll >= 0)
        close(s->epoll);
    memset(s, 0, sizeof(*s));
}
