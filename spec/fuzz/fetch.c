/* SPDX-License-Identifier: MIT */
/* fetch.c - plays an origin's bytes against the HTTP client, over kept socket pairs.
 *
 * An input has up to eight exchanges, one after the other, on one network thread:
 *
 *   flags   1: hangs up behind the answer   2: a HEAD   4: a POST
 *           8: writes the surplus together with the answer, else once the exchange has ended
 *   u16     how many bytes of answer, little-endian, then these
 *   u8      how many bytes of surplus, then these
 *
 * Besides the sanitizers' checks, two rules must hold. An exchange is not answered before the
 * origin has written bytes for it, and its body is no longer than these bytes.
 *
 * socket(), connect() and getpeername() are ours: a TCP socket is one end of a pair, and the origin
 * has the other. */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "net/fetch.h"
#include "net/net.h"

enum { MAX_ENDS = 64, MAX_EXCHANGES = 8, PATIENCE_MS = 2, MISTAKE_MS = 1, GIVE_UP_MS = 5000 };

static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
static int ends[MAX_ENDS], n_ends; /* guarded by mu: the origin's ends that are open */
static int changed[2];             /* a pipe: an end was opened, or an exchange has ended */
static struct net *net;

static void tell(void)
{
    if (write(changed[1], "", 1) < 0 && errno != EAGAIN)
        abort();
}

int socket(int family, int type, int protocol)
{
    static int (*real)(int, int, int);
    int pair[2];

    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "socket");
    if (family != AF_INET || (type & 15) != SOCK_STREAM)
        return real(family, type, protocol);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair))
        return -1;
    pthread_mutex_lock(&mu);
    if (n_ends == MAX_ENDS)
        abort(); /* the client may keep more connections than an exchange needs */
    ends[n_ends++] = pair[1];
    pthread_mutex_unlock(&mu);
    tell();
    return pair[0];
}

int connect(int fd, const struct sockaddr *addr, socklen_t n)
{
    static int (*real)(int, const struct sockaddr *, socklen_t);

    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "connect");
    return addr->sa_family == AF_INET ? 0 : real(fd, addr, n);
}

/* libcurl keeps a connection by the address of its other side. */
int getpeername(int fd, struct sockaddr *addr, socklen_t *n)
{
    const struct sockaddr_in peer = {
        .sin_family = AF_INET, .sin_port = htons(1), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    (void)fd;
    if (*n < sizeof(peer))
        return -1;
    memcpy(addr, &peer, sizeof(peer));
    *n = sizeof(peer);
    return 0;
}

static void drop_end(int fd)
{
    int i;

    pthread_mutex_lock(&mu);
    for (i = 0; i < n_ends && ends[i] != fd; i++)
        ;
    if (i < n_ends)
        ends[i] = ends[--n_ends];
    pthread_mutex_unlock(&mu);
    close(fd);
}

/* --- one exchange --- */

struct exchange {
    int number;
    unsigned flags;
    const char *answer, *surplus;
    size_t answer_len, surplus_len;
    size_t written; /* for this exchange */
    int asked;      /* the end of the last answer, or -1 */
    int ended, answered;
    size_t body_len; /* guarded by mu, like the two before it */
};

static void done(void *ctx, struct fetch *f)
{
    struct exchange *x = ctx;

    fetch_header(f, "X-Any");
    pthread_mutex_lock(&mu);
    x->answered = fetch_phase(f) == FETCH_ANSWERED;
    x->body_len = fetch_body(f)->len;
    x->ended = 1;
    pthread_mutex_unlock(&mu);
    tell();
}

static int has_ended(struct exchange *x)
{
    int ended;

    pthread_mutex_lock(&mu);
    ended = x->ended;
    pthread_mutex_unlock(&mu);
    return ended;
}

static void put(struct exchange *x, int fd, const char *bytes, size_t n)
{
    ssize_t sent = n ? send(fd, bytes, n, MSG_NOSIGNAL) : 0;

    if (sent > 0)
        x->written += (size_t)sent;
}

/* A request, or the end of a connection. */
static void on_end(struct exchange *x, int fd)
{
    char request[65536];

    if (recv(fd, request, sizeof(request), 0) <= 0) {
        drop_end(fd);
        return;
    }
    if (x->number) { /* time for a mistake: to take earlier bytes for the answer */
        struct pollfd end = {.fd = changed[0], .events = POLLIN};

        poll(&end, 1, MISTAKE_MS);
    }
    if (has_ended(x))
        return;
    x->asked = fd;
    put(x, fd, x->answer, x->answer_len);
    if (x->flags & 8)
        put(x, fd, x->surplus, x->surplus_len);
    if (x->flags & 1) {
        drop_end(fd);
        x->asked = -1;
    }
}

/* Waits for bytes at an end, or for a change. 0: the time expired. */
static int turn(struct exchange *x, int wait_ms)
{
    struct pollfd fds[MAX_ENDS + 1] = {{.fd = changed[0], .events = POLLIN}};
    char bytes[64];
    int n, i;

    pthread_mutex_lock(&mu);
    for (n = 0; n < n_ends; n++)
        fds[n + 1] = (struct pollfd){.fd = ends[n], .events = POLLIN};
    pthread_mutex_unlock(&mu);
    if (poll(fds, (nfds_t)n + 1, wait_ms) <= 0)
        return 0;
    if (fds[0].revents && read(changed[0], bytes, sizeof(bytes)) < 0 && errno != EAGAIN)
        abort();
    for (i = 1; i <= n; i++)
        if (fds[i].revents)
            on_end(x, fds[i].fd);
    return 1;
}

static void play(struct exchange *x)
{
    char url[40];
    struct fetch_opts o = {
        .url = url,
        .method = x->flags & 2   ? "HEAD"
                  : x->flags & 4 ? "POST"
                                 : "GET",
        .max_bytes = 65536,
        .timeout_ms = 2 * GIVE_UP_MS,
        .done = done,
        .ctx = x,
    };
    int waited = 0;
    struct fetch *f;
    struct error e;

    x->asked = -1;
    snprintf(url, sizeof(url), "http://127.0.0.1:1/%d", x->number);
    f = fetch_start(net, &o, &e);
    if (!f)
        abort();
    while (!has_ended(x)) {
        if (turn(x, PATIENCE_MS))
            continue;
        if (x->asked >= 0) { /* the exchange waits for more bytes than the input has */
            drop_end(x->asked);
            x->asked = -1;
        } else if ((waited += PATIENCE_MS) > GIVE_UP_MS) {
            fprintf(stderr, "exchange %d never ends\n", x->number);
            abort();
        }
    }
    fetch_unref(f);
    if (x->answered && (!x->written || x->body_len > x->written)) {
        fprintf(stderr, "exchange %d has the bytes of another\n", x->number);
        abort();
    }
    if (x->asked >= 0 && !(x->flags & 8))
        put(x, x->asked, x->surplus, x->surplus_len);
}

/* --- the input --- */

static size_t take(const uint8_t **data, size_t *left, size_t n, const char **out)
{
    if (n > *left)
        n = *left;
    *out = (const char *)*data;
    *data += n;
    *left -= n;
    return n;
}

static size_t take_number(const uint8_t **data, size_t *left, size_t bytes)
{
    const char *at;
    size_t n = take(data, left, bytes, &at), v = 0;

    while (n--)
        v = v << 8 | (uint8_t)at[n];
    return v;
}

static void start(void)
{
    struct net_opts o = {0};
    struct error e;

    signal(SIGPIPE, SIG_IGN);
    log_set_level(LOG_ERROR);
    net = net_start(&o, &e);
    if (!net || pipe2(changed, O_NONBLOCK | O_CLOEXEC))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t left);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t left)
{
    struct exchange x;
    int i;

    if (!net)
        start();
    for (i = 0; i < MAX_EXCHANGES && left; i++) {
        memset(&x, 0, sizeof(x));
        x.number = i;
        x.flags = (unsigned)take_number(&data, &left, 1);
        x.answer_len = take(&data, &left, take_number(&data, &left, 2), &x.answer);
        x.surplus_len = take(&data, &left, take_number(&data, &left, 1), &x.surplus);
        play(&x);
    }
    return 0;
}
