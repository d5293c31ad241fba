/* SPDX-License-Identifier: MIT */
#include "http/move.h"

#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "http/crowd.h"

enum {
    COMMON_HEAD = 4 * 1024,  /* bytes of a head that has room beside its answer's in any case */
    COMMON_COOKIE = 2 * 1024 /* libmicrohttpd has a copy and a record for each part */
};

/* Completes any piece of a head for libmicrohttpd: the rest of a line, and the end. The letter is
 * for a piece that ends with its line: libmicrohttpd takes an empty name for the end of the head.
 */
static const char MARK[] = "x:\r\n\r\n";

static _Thread_local struct list under_way; /* of struct move; not made while next is NULL */

static _Thread_local struct {
    int fd, other, roomy;
    int is; /* 1: move_arrive() is adding a connection */
} arriving;

void move_init(struct move *m, struct MHD_Connection *c, int stays)
{
    if (!under_way.next)
        list_init(&under_way);
    list_init(&m->link);
    m->connection = c;
    m->stays = stays;
    m->fd = arriving.is ? arriving.fd : -1;
    m->other = arriving.is ? arriving.other : -1;
    m->roomy = arriving.is && arriving.roomy;
    m->state = arriving.is ? MOVE_ARRIVES : MOVE_NOT;
    m->alone = arriving.is && !arriving.roomy;
    buf_init(&m->head, 0);
    arriving.is = 0;
}

static void close_both(struct move *m)
{
    if (m->fd >= 0)
        close(m->fd);
    if (m->other >= 0)
        close(m->other);
    m->fd = m->other = -1;
}

static int fd_of(const struct move *m)
{
    return MHD_get_connection_info(m->connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
}

/* Puts another socket behind the descriptor that libmicrohttpd has. Takes fd. The epoll set must
 * forget the old socket, which lives on, and know the new one as libmicrohttpd would have added it.
 */
static void put_behind(struct move *m, int fd)
{
    struct MHD_Daemon *daemon =
        MHD_get_connection_info(m->connection, MHD_CONNECTION_INFO_DAEMON)->daemon;
    int epoll = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLET,
                             .data.ptr = m->connection};
    int theirs = fd_of(m), was_in = epoll_ctl(epoll, EPOLL_CTL_DEL, theirs, NULL) == 0;

    dup3(fd, theirs, O_CLOEXEC);
    close(fd);
    if (was_in)
        epoll_ctl(epoll, EPOLL_CTL_ADD, theirs, &ev);
}

/* 0: no descriptors are left. */
static int take_socket(struct move *m)
{
    int pair[2], fd = fcntl(fd_of(m), F_DUPFD_CLOEXEC, 0);

    if (fd < 0)
        return 0;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0) {
        close(fd);
        return 0;
    }
    m->fd = fd;
    m->other = pair[1];
    put_behind(m, pair[0]);
    return 1;
}

/* libmicrohttpd has the whole head, by one call of recv(): gives it the real socket again. */
static void take_back(struct move *m)
{
    int fd = m->fd;
    char byte;

    if (recv(fd_of(m), &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0) {
        log_error("server", "the head of a request was not read at once", "fd=%d", fd_of(m));
        m->state = MOVE_NOT;
        move_refuse(m, 431);
        return;
    }
    m->fd = -1;
    put_behind(m, fd);
    close_both(m);
    m->state = MOVE_NOT;
}

void move_head_begins(struct move *m, const char *target, const char *target_end, const char *query)
{
    m->method = NULL;
    m->target = target;
    m->version = target_end ? target_end + 1 : NULL;
    m->query = query;
    m->heads += m->heads < 2;
    if (m->stays)
        return;
    if (m->state == MOVE_ARRIVES)
        take_back(m);
    list_del(&m->link);
    list_push_front(&under_way, &m->link);
}

static void forget_head(struct move *m)
{
    if (list_linked(&m->link))
        list_del(&m->link);
}

void move_head_ends(struct move *m, const char *method)
{
    m->method = method;
    forget_head(m);
}

int move_unfinished(void)
{
    struct list *l, *next;
    int any = 0;

    if (!under_way.next || list_empty(&under_way) || !framing_is_in_place() || !porch_has_room())
        return 0;
    list_each_safe (l, next, &under_way) {
        struct move *m = list_entry(l, struct move, link);

        if (m->state != MOVE_NOT || !porch_has_room() || !take_socket(m))
            continue;
        m->state = MOVE_MARKED;
        any |= write(m->other, MARK, sizeof(MARK) - 1) > 0;
    }
    return any;
}

/* Of what libmicrohttpd has. A client's UNIX socket has no name. */
static socklen_t address_len(const struct sockaddr *addr)
{
    if (addr->sa_family == AF_INET)
        return sizeof(struct sockaddr_in);
    return addr->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(sa_family_t);
}

/* Takes the real socket and the address; the head is empty. */
static void take_guest(struct move *m, struct porch_guest *g)
{
    const struct sockaddr *addr =
        MHD_get_connection_info(m->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr;

    memset(g, 0, sizeof(*g));
    g->fd = m->fd;
    m->fd = -1;
    m->state = MOVE_AWAY;
    buf_deinit(&m->head);
    forget_head(m); /* no later fault is in this head */
    g->addr_len = address_len(addr);
    memcpy(&g->addr, addr, g->addr_len);
    buf_init(&g->head, 0);
}

static void refuse(struct move *m, int status)
{
    struct porch_guest g;

    take_guest(m, &g);
    g.refuse = status;
    porch_enter(&g);
}

/* The end of a head that was completed by the mark: what came before it. */
static void cut_mark(struct buf *head)
{
    const size_t n = sizeof(MARK) - 1;

    if (head->len >= n && memcmp(head->data + head->len - n, MARK, n) == 0)
        head->len -= n;
}

/* Whether libmicrohttpd may have read bytes behind a head that ends at `end`. After a first request
 * it has cleared its memory, and no request begins with a zero. */
static int is_followed(const struct move *m, const char *end)
{
    if (m->heads > 1)
        return *end != '\0';
    return !m->alone && crowd_read(m->fd) != framing_head_size(m->connection);
}

/* The head that libmicrohttpd has read. 0: it cannot be read, and is refused. */
static int copy_head(struct move *m, struct buf *head)
{
    const char *end;

    buf_init(head, 0);
    if (framing_copy(m->connection, m->method, m->target, m->query, m->version, head, &end)) {
        m->followed = is_followed(m, end);
        return 1;
    }
    buf_deinit(head);
    refuse(m, 400);
    return 0;
}

/* Takes the head, and what is behind it in the same buffer. */
static void go(struct move *m, struct buf *head, int roomy)
{
    struct porch_guest g;

    take_guest(m, &g);
    g.head = *head;
    g.roomy = roomy;
    porch_enter(&g);
}

/* The request is the last of its connection, and its client is told so. */
static void make_last(struct buf *head)
{
    static const char end[] = "Connection: close\r\n\r\n";

    head->len -= 2;
    buf_put(head, end, sizeof(end) - 1);
}

static int has_body(const struct move *m)
{
    const char *length =
        MHD_lookup_connection_value(m->connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);

    return (length && strcmp(length, "0") != 0) ||
           MHD_lookup_connection_value(m->connection, MHD_HEADER_KIND,
                                       MHD_HTTP_HEADER_TRANSFER_ENCODING);
}

static int may_move(const struct move *m)
{
    return !m->stays && !m->roomy && m->state == MOVE_NOT && framing_is_in_place() &&
           porch_has_room();
}

/* Of a head that has ended by the mark, so nothing is behind it. */
static void go_marked(struct move *m)
{
    struct buf head;

    if (!copy_head(m, &head))
        return;
    cut_mark(&head);
    go(m, &head, 0);
}

/* What libmicrohttpd has read behind the head is unknown. */
static void go_alone(struct move *m, struct buf *head)
{
    if (m->followed)
        make_last(head);
    go(m, head, 1);
}

/* There was no room for the 101. */
static void go_unanswered(struct move *m)
{
    struct buf head = m->head;

    m->head = (struct buf){0};
    if (has_body(m)) {
        buf_deinit(&head);
        refuse(m, 431);
    } else {
        go_alone(m, &head);
    }
}

int move_whole(struct move *m)
{
    struct buf head;

    if (m->state == MOVE_MARKED)
        go_marked(m);
    else if (m->state == MOVE_ASKED)
        go_unanswered(m);
    else if (!may_move(m) || !take_socket(m))
        return 0;
    else if (has_body(m)) /* nobody can say how much of it was read with the head */
        refuse(m, 431);
    else if (copy_head(m, &head))
        go_alone(m, &head);
    return 1;
}

void move_with(struct move *m, const char *rest, size_t n)
{
    struct buf head;

    if (!may_move(m) || !take_socket(m)) {
        move_refuse(m, 431);
    } else if (copy_head(m, &head)) {
        make_last(&head);
        buf_put(&head, rest, n);
        go(m, &head, 1);
    }
}

/* libmicrohttpd gives away what it has read behind the head. */
static void on_upgrade(void *arg, struct MHD_Connection *c, void *con_cls, const char *rest,
                       size_t n, MHD_socket fd, struct MHD_UpgradeResponseHandle *handle)
{
    struct move *m = arg;
    struct buf head = m->head;

    (void)c, (void)con_cls, (void)fd;
    if (m->state == MOVE_ASKED) {
        m->head = (struct buf){0};
        buf_put(&head, rest, n);
        go(m, &head, 1);
    }
    MHD_upgrade_action(handle, MHD_UPGRADE_ACTION_CLOSE);
}

/* 0: libmicrohttpd cannot be asked. */
static int ask(struct move *m)
{
    struct MHD_Response *r = MHD_create_response_for_upgrade(on_upgrade, m);
    int ok = r && MHD_add_response_header(r, MHD_HTTP_HEADER_UPGRADE, "move") == MHD_YES &&
             MHD_queue_response(m->connection, MHD_HTTP_SWITCHING_PROTOCOLS, r) == MHD_YES;

    if (r)
        MHD_destroy_response(r);
    return ok;
}

static enum move_due ask_with_head(struct move *m)
{
    struct buf head;

    if (!take_socket(m))
        return MOVE_STAYS;
    if (!copy_head(m, &head))
        return MOVE_GOES;
    m->head = head;
    m->state = MOVE_ASKED;
    if (ask(m))
        return MOVE_ASKS;
    go_unanswered(m);
    return MOVE_GOES;
}

enum move_due move_is_due(struct move *m, const struct framing *f)
{
    if (!may_move(m) || (f->head <= COMMON_HEAD && f->cookie <= COMMON_COOKIE))
        return MOVE_STAYS;
    if (f->is_1_1)
        return ask_with_head(m);
    if (f->body)
        return MOVE_WITH_BODY;
    return move_whole(m) ? MOVE_GOES : MOVE_STAYS;
}

unsigned move_flag(void)
{
    return framing_is_in_place() ? MHD_ALLOW_UPGRADE : 0;
}

int move_is_away(const struct move *m)
{
    return m->state == MOVE_AWAY;
}

int move_is_under_way(struct move *m)
{
    return move_is_away(m) || (m->state == MOVE_MARKED && move_whole(m));
}

int move_is_unanswered(struct move *m)
{
    return m->state == MOVE_ASKED && move_whole(m);
}

void move_refuse(struct move *m, int status)
{
    if (m->state == MOVE_AWAY)
        return;
    if (m->fd >= 0 || take_socket(m))
        refuse(m, status);
    else
        log_warn("server", "no descriptor is left for a refusal", "status=%d", status);
}

struct move *move_with_whole_head(void)
{
    struct list *l;

    for (l = under_way.next; l && l != &under_way; l = l->next) {
        struct move *m = list_entry(l, struct move, link);

        if (framing_head_size(m->connection))
            return m;
    }
    return NULL;
}

struct move *move_latest(void)
{
    return under_way.next && !list_empty(&under_way) ? list_entry(under_way.next, struct move, link)
                                                     : NULL;
}

struct move *move_only(void)
{
    struct move *m = move_latest();

    return m && m->link.next == &under_way ? m : NULL;
}

/* A pair of sockets, with the head to be read from the first. */
static int pair_with(const struct porch_guest *g, int pair[2])
{
    const int room = 2 * (int)g->head.len;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
        return 0;
    setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)); /* else what it has must do */
    if (write(pair[1], g->head.data, g->head.len) == (ssize_t)g->head.len)
        return 1;
    close(pair[0]);
    close(pair[1]);
    return 0;
}

int move_arrive(struct MHD_Daemon *daemon, const struct porch_guest *g, int roomy)
{
    int pair[2], ok;

    if (!pair_with(g, pair)) {
        log_warn("server", "cannot hand over a request", "bytes=%zu error=\"%s\"", g->head.len,
                 strerror(errno));
        close(g->fd);
        return MHD_NO;
    }
    arriving.fd = g->fd;
    arriving.other = pair[1];
    arriving.roomy = roomy;
    arriving.is = 1;
    ok = (int)MHD_add_connection(daemon, pair[0], (const struct sockaddr *)&g->addr, g->addr_len);
    if (arriving.is) { /* it was refused at once, and is closed */
        close(g->fd);
        close(pair[1]);
        arriving.is = 0;
    }
    return ok;
}

void move_closed(struct move *m)
{
    close_both(m);
    buf_deinit(&m->head);
    forget_head(m);
}
