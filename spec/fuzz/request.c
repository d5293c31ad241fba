/* SPDX-License-Identifier: MIT */
/* request.c - whole requests at a server (http/): framing, routes, bodies, changes, batches.
 *
 * An input is what one connection sends: pieces, each behind a byte with its flags and a u16 with
 * its length. Flag 1: waits for the server's answer before the next piece.
 *
 * A strict reader of HTTP, in this file, reads the same bytes. As long as it understands them, the
 * server must end each request where it does. Once it does not, the server may answer one request
 * more, and no other: a second one would have been smuggled. It may still refuse a sound request.
 *
 * The server is a real one, on a socket pair. Each key that ends in 'n' is not found, each that
 * ends in 'e' an error; other keys are their own values. */
#include <ctype.h>
#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <poll.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "cache/group.h"
#include "cache/groups.h"
#include "change/change.h"
#include "fuzz.h"
#include "http/server_in.h"
#include "peer/peers.h"

enum { PATIENCE_MS = 2000, MOST_REQUESTS = 64 };

static struct server *server;
static struct peers *peers;

/* --- a node of one --- */

static struct peer *owner(void *ctx, const void *key, size_t n)
{
    (void)ctx;
    (void)key;
    (void)n;
    return NULL;
}

static void disown(void *ctx, struct peer *p)
{
    (void)ctx;
    (void)p;
}

static void remote(void *ctx, struct flight *f, struct peer *p)
{
    (void)ctx;
    (void)f;
    (void)p;
    abort();
}

static void local(void *ctx, struct flight *f)
{
    char last = f->key_len ? f->key[f->key_len - 1] : 'v';

    (void)ctx;
    if (last == 'n')
        group_end_not_found(f, "not found", NULL);
    else if (last == 'e')
        group_finish_error(f, ERR_GETTER, "an error");
    else
        group_finish_value(f, f->key, f->key_len, NULL, NULL);
}

static struct peers *peers_of(const struct group *g)
{
    (void)g;
    return peers;
}

static const char *not_ready(void *ctx)
{
    (void)ctx;
    return NULL;
}

static void show(void *ctx, enum server_view what, const struct dialect_target *t, struct buf *out)
{
    (void)ctx;
    (void)what;
    (void)t;
    buf_puts(out, "{}");
}

static void add_group(struct groups *gs, const char *name, int changes)
{
    const struct loader loader = {
        .owner = owner, .disown = disown, .remote = remote, .local = local};
    const struct group_texts writers = {"text/plain", "", "n127.0.0.1/32\n", ""};
    struct group_opts o;
    struct group *g;

    group_opts_init(&o);
    o.max_value_bytes = 4096;
    o.cache_bytes = 1 << 20;
    o.writable = changes != 0;
    o.query = changes ? QUERY_KEY : QUERY_REFUSE;
    g = group_new(name, "text/plain", &o, &loader);
    group_configure(g, &writers, &o);
    groups_add(gs, g);
    group_unref(g);
}

static void start(void)
{
    const struct changes_opts co = {.peer_changes = "127.0.0.1"};
    const struct peers_opts po = {.self = "http://127.0.0.1:1",
                                  .dialect = DIALECT_GROUPCACHE_GO,
                                  .base_path = "/_groupcache/",
                                  .hash = HASH_FNV1A_64,
                                  .replicas = 1};
    struct server_opts o = {
        .faces = SERVER_DATA | SERVER_ADMIN,
        .fd = -1,
        .address = "fuzz",
        .threads = 1,
        .max_connections = 16,
        .max_key_bytes = 256,
        .dialect = DIALECT_GROUPCACHE_GO,
        .peer_secret_for = "all",
        .base_path = "/_groupcache/",
        .not_ready = not_ready,
        .show = show,
    };
    struct error e;

    log_set_level(LOG_OFF);
    peers = peers_new(&po, NULL);
    o.changes = changes_new(&co, peers_of, &e);
    o.groups = groups_new();
    add_group(o.groups, "g", 1);
    add_group(o.groups, "q", 0);
    server = server_start(&o, &e);
    if (!server) {
        fprintf(stderr, "%s\n", e.msg);
        abort();
    }
}

/* --- a strict reader of requests --- */

enum read { READ_REQUEST, READ_PART, READ_DOUBT };

struct reader {
    const char *at, *end;
};

/* The line at r->at, without its CR and LF. READ_DOUBT: it has another LF, a NUL, or, unless `cr`
 * is 1, another CR: libmicrohttpd takes one for a byte of the target. */
static enum read read_line_or(struct reader *r, const char **line, size_t *n, int cr)
{
    const char *at = r->at;

    for (; at < r->end; at++) {
        if ((at[0] == '\r' || !at[0]) && at + 1 == r->end)
            return READ_PART;
        if ((at[0] == '\r' || !at[0]) && at + 1 < r->end && at[1] == '\n')
            break;
        if ((at[0] == '\r' && !cr) || at[0] == '\n' || !at[0])
            return READ_DOUBT;
    }
    if (at >= r->end)
        return READ_PART;
    *line = r->at;
    *n = (size_t)(at - r->at);
    r->at = at + 2;
    return READ_REQUEST;
}

static int has_only(const char *s, size_t n, const char *more)
{
    while (n && (isalnum((unsigned char)*s) || strchr(more, *s)) && *s) {
        s++;
        n--;
    }
    return !n;
}

static enum read read_line(struct reader *r, const char **line, size_t *n)
{
    return read_line_or(r, line, n, 0);
}

/* METHOD 1*SP TARGET SP HTTP/1.x */
static int is_request_line(const char *line, size_t n, int *is_1_1)
{
    const char *sp = memchr(line, ' ', n), *end = line + n, *at = sp, *sp2;

    while (at && at < end && *at == ' ')
        at++;
    sp2 = at ? memchr(at, ' ', (size_t)(end - at)) : NULL;
    *is_1_1 = n && end[-1] == '1';
    return sp2 && sp > line && sp2 > at && has_only(line, (size_t)(sp - line), "-_") &&
           end - sp2 == 9 && !memcmp(sp2, " HTTP/1.", 8) && isdigit((unsigned char)end[-1]);
}

struct head {
    int hosts, lengths, chunked, closes;
    size_t length;
};

static int is(const char *name, size_t n, const char *text)
{
    return n == strlen(text) && !strncasecmp(name, text, n);
}

/* Name ":" OWS value OWS */
static int read_header(const char *line, size_t n, struct head *h)
{
    const char *colon = memchr(line, ':', n), *value = colon ? colon + 1 : NULL, *end = line + n;
    size_t len;

    if (!colon || colon == line || !has_only(line, (size_t)(colon - line), "!#$%&'*+-.^_`|~"))
        return 0;
    while (value < end && (*value == ' ' || *value == '\t'))
        value++;
    while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    len = (size_t)(end - value);
    n = (size_t)(colon - line);
    h->hosts += is(line, n, "Host");
    h->closes |= is(line, n, "Connection");
    if (is(line, n, "Transfer-Encoding")) {
        h->chunked++;
        return is(value, len, "chunked");
    }
    if (!is(line, n, "Content-Length"))
        return 1;
    h->lengths++;
    for (h->length = 0; len && isdigit((unsigned char)*value); value++, len--)
        h->length = h->length * 10 + (size_t)(*value - '0');
    return !len && value > colon + 1 && isdigit((unsigned char)value[-1]) && h->length < 1 << 20;
}

/* Chunks without extensions and trailers. */
static enum read read_chunks(struct reader *r)
{
    const char *line;
    size_t n, size, i;
    enum read got;

    do {
        got = read_line(r, &line, &n);
        if (got)
            return got;
        for (size = 0, i = 0; i < n && i < 6 && isxdigit((unsigned char)line[i]); i++)
            size =
                size * 16 + (size_t)(isdigit((unsigned char)line[i]) ? line[i] - '0'
                                                                     : (line[i] | 0x20) - 'a' + 10);
        if (!n || i < n)
            return READ_DOUBT;
        if ((size_t)(r->end - r->at) < size)
            return READ_PART;
        r->at += size;
        got = read_line(r, &line, &n);
        if (got || n)
            return got ? got : READ_DOUBT;
    } while (size);
    return READ_REQUEST;
}

/* Before a request (RFC 9112, 2.2). libmicrohttpd takes a line that begins with a NUL for one. */
static void skip_empty_lines(struct reader *r)
{
    while (r->at < r->end && (*r->at == '\r' || *r->at == '\n' || !*r->at)) {
        if (!*r->at)
            while (r->at < r->end && *r->at != '\n')
                r->at++;
        else
            r->at++;
    }
}

/* Reads one request. *last: its connection ends with it. */
static enum read read_request(struct reader *r, int *last)
{
    struct head h = {0};
    const char *line;
    size_t n;
    enum read got;
    int is_1_1;

    skip_empty_lines(r);
    got = read_line_or(r, &line, &n, 1);
    if (got || !is_request_line(line, n, &is_1_1))
        return got ? got : READ_DOUBT;
    for (;;) {
        got = read_line(r, &line, &n);
        if (got)
            return got;
        if (!n)
            break;
        if (!read_header(line, n, &h))
            return READ_DOUBT;
    }
    if (h.hosts > 1 || h.hosts < is_1_1 || h.lengths + h.chunked > 1 || (h.chunked && !is_1_1))
        return READ_DOUBT;
    *last = h.chunked;
    if (h.chunked)
        return read_chunks(r);
    if ((size_t)(r->end - r->at) < h.length)
        return READ_PART;
    r->at += h.length;
    return READ_REQUEST;
}

/* The most answers that the bytes may have: one more for what is in doubt. */
struct due {
    unsigned most;
    unsigned char head[MOST_REQUESTS]; /* 1: to a HEAD, so without a body */
};

static struct due answers_due(const char *bytes, size_t n)
{
    struct reader r = {bytes, bytes + n};
    struct due due = {.most = 0};
    int last = 0;

    while (r.at < r.end && due.most < MOST_REQUESTS) {
        due.head[due.most] = r.end - r.at > 5 && !memcmp(r.at, "HEAD ", 5);
        due.most++; /* a refusal needs no more than a part */
        if (read_request(&r, &last) || last)
            break;
    }
    return due;
}

/* --- the answers --- */

static void skip(struct reader *r, size_t n)
{
    size_t left = (size_t)(r->end - r->at);

    r->at += n < left ? n : left;
}

/* 0: there is none. */
static int skip_answer(struct reader *r, int head)
{
    struct head h = {0};
    int is_continue, is_bare;
    const char *line;
    size_t n;

    if (read_line(r, &line, &n))
        return 0;
    HOLDS(n > 12 && !memcmp(line, "HTTP/1.1 ", 9) && isdigit((unsigned char)line[9]));
    is_continue = !memcmp(line + 9, "100", 3);
    is_bare = head || !memcmp(line + 9, "304", 3) || !memcmp(line + 9, "204", 3);
    while (!read_line(r, &line, &n) && n)
        HOLDS(read_header(line, n, &h));
    if (is_continue)
        return skip_answer(r, head);
    if (!is_bare && h.chunked)
        HOLDS(read_chunks(r) != READ_DOUBT);
    else if (!is_bare)
        skip(r, h.length);
    return 1;
}

static void check_answers(const struct buf *sent, const struct buf *got)
{
    struct due due = answers_due(sent->data ? sent->data : "", sent->len);
    struct reader r = {got->data ? got->data : "", NULL};
    unsigned n = 0;

    r.end = r.at + got->len;
    if (due.most == MOST_REQUESTS)
        return;
    while (n <= due.most && skip_answer(&r, due.head[n]))
        n++;
    HOLDS(n <= due.most);
}

/* Reads what there is. 0: the server has ended the connection. wait: until there is something. */
static int take(int fd, struct buf *in, int wait)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    char bytes[16384];
    ssize_t n;

    while (poll(&p, 1, wait ? PATIENCE_MS : 0) > 0) {
        n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN))
            return 0;
        if (n > 0)
            buf_put(in, bytes, (size_t)n);
        wait = 0;
    }
    return !wait;
}

/* Once the server has read all. libmicrohttpd 0.9 does not see an end that arrives with the last
 * bytes of a part of a head or of a chunk: its epoll is edge-triggered. Then deadlines end the
 * connection, which would take too long here. */
static void hang_up(int fd)
{
    uint64_t until = clock_ms() + PATIENCE_MS;
    struct pollfd p = {.fd = fd};
    int unread = 0;

    while (!ioctl(fd, SIOCOUTQ, &unread) && unread && clock_ms() < until) {
        if (poll(&p, 1, 0) > 0 && p.revents & (POLLHUP | POLLERR))
            break;
        usleep(10);
    }
    shutdown(fd, SHUT_WR);
}

static void settle(void)
{
    uint64_t until = clock_ms() + PATIENCE_MS;

    while (server_loop_connections(server->loops[0]) && clock_ms() < until)
        usleep(20);
    HOLDS(!server_loop_connections(server->loops[0]));
    HOLDS(!server_active(server)); /* every request that has begun has ended */
    HOLDS(!server_loop_parked(server->loops[0]));
}

FUZZ_TARGET
{
    const struct sockaddr_in from = {.sin_family = AF_INET,
                                     .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct fuzz in = {data, size};
    struct buf sent, got;
    int pair[2], open = 1;

    if (!server)
        start();
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair))
        abort();
    buf_init(&sent, 0);
    buf_init(&got, 0);
    server_loop_add(server->loops[0], pair[0], (const struct sockaddr *)&from, sizeof(from));
    while (in.left && open) {
        unsigned flags = fuzz_byte(&in), n = fuzz_byte(&in);
        size_t len;
        char *piece;

        n |= fuzz_byte(&in) << 8;
        piece = fuzz_bytes(&in, n, &len);
        if (len && send(pair[1], piece, len, MSG_NOSIGNAL) > 0)
            buf_put(&sent, piece, len);
        free(piece);
        open = take(pair[1], &got, 0);
        if (flags & 1 && open)
            usleep(100);
    }
    hang_up(pair[1]);
    while (take(pair[1], &got, 1))
        ;
    check_answers(&sent, &got);
    close(pair[1]);
    settle();
    buf_deinit(&sent);
    buf_deinit(&got);
    return 0;
}
