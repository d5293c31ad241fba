/* SPDX-License-Identifier: MIT */
/* server.c - from a request to an answer.
 *
 * libmicrohttpd calls on_request() once when the headers are in, again when the body has ended
 * (here: at once, since no request has one), and once more when a parked connection is resumed.
 * A hit is answered in the second call and allocates nothing of ours. A miss makes a struct
 * request, which the connection keeps until it is completed.
 *
 * Park, then publish: the connection is suspended before the waiter is handed to the group, since
 * wake() may come on another thread before group_load() returns.
 *
 * Paths are taken raw (the unescape callback does nothing) and decoded once, with lengths, by
 * wire/dialect: libmicrohttpd would cut a key at %00. It would also let through requests whose end
 * two servers could see in different places, so framing is checked here (see bad_framing). */
#include "net/server.h"

#include <microhttpd.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"
#include "cache/group.h"
#include "cache/groups.h"
#include "net/acceptor.h"
#include "net/server_answer.h"

enum {
    IDLE_SECONDS = 120,       /* a kept-alive connection without a request. Go's clients keep one
                               * for 90 and do not repeat a PUT that finds it closed */
    SHORT_TARGET = 1024,      /* decoded on the stack */
    HEADER_ROOM = 8 * 1024,   /* beside the longest key in a connection's read buffer */
    SPARE_CONNECTIONS_IN = 10 /* libmicrohttpd's limit is that share above ours: it would let
                               * clients hang where we answer 503 */
};

#define CLIENT_PATH "/cache/"

struct server {
    struct server_opts opts; /* strings are ours */
    struct MHD_Daemon *daemon;
    struct acceptor *acceptor; /* the node's thread; NULL once it takes no more */
    atomic_uint connections, active, threads_named;
    atomic_int closing; /* 1: every answer ends its connection */
};

/* A connection's. */
struct client {
    const char *target_end; /* of the request that was read last: where its C string ends */
};

/* A request that waits, or waited, for a load. */
struct request {
    struct waiter waiter;
    struct server *server;
    struct MHD_Connection *connection;
    struct group *group;  /* a reference */
    struct result result; /* written by wake() before the connection is resumed */
    int peer;
};

/* What *con_cls points to before there is a struct request: the headers have been seen. */
static char seen;

/* --- framing --- */

struct framing {
    int hosts, lengths, bad;
};

static enum MHD_Result check_header(void *arg, enum MHD_ValueKind kind, const char *name,
                                    const char *value)
{
    struct framing *f = arg;

    (void)kind;
    if (strpbrk(name, " \t") || (value && strpbrk(value, "\r\n"))) {
        f->bad = 1;
    } else if (strcasecmp(name, "Host") == 0) {
        f->hosts++;
    } else if (strcasecmp(name, "Transfer-Encoding") == 0) {
        f->bad = 1;
    } else if (strcasecmp(name, "Content-Length") == 0) {
        f->lengths++;
        f->bad |= !value || strcmp(value, "0") != 0;
    }
    return MHD_YES;
}

/* No request that we serve has a body, so any sign of one is refused and ends the connection: what
 * follows could be read as a second request. */
static int bad_framing(struct MHD_Connection *c)
{
    struct framing f = {0, 0, 0};

    MHD_get_connection_values(c, MHD_HEADER_KIND, check_header, &f);
    return f.bad || f.hosts > 1 || f.lengths > 1;
}

/* --- loads --- */

static void request_wake(struct waiter *w, const struct result *r)
{
    struct request *q = list_entry(w, struct request, waiter);

    q->result = *r;
    if (r->item)
        item_ref(r->item);
    MHD_resume_connection(q->connection);
}

static void answer_to_init(struct answer_to *to, struct server *s, struct MHD_Connection *c,
                           int peer)
{
    to->connection = c;
    to->dialect = s->opts.dialect;
    to->peer = peer;
    to->close = atomic_load_explicit(&s->closing, memory_order_relaxed);
}

/* The connection was resumed: its load has ended. */
static int answer_request(struct request *q)
{
    struct result r = q->result;
    struct answer_to to;

    answer_to_init(&to, q->server, q->connection, q->peer);
    if (!r.item)
        return answer_error(&to, &r.err);
    q->result.item = NULL; /* answer_value() takes it */
    return answer_value(&to, q->group, &r);
}

static void put_pair(struct buf *out, const char *name, size_t name_len, const char *value)
{
    buf_put(out, name, name_len);
    buf_put(out, "", 1);
    buf_put(out, value, strlen(value) + 1);
}

/* What the getter may know of this request: flight.info has the form. */
static void put_info(struct buf *out, struct MHD_Connection *c, const struct group *g, int peer)
{
    const char *value = peer ? MHD_lookup_connection_value(c, MHD_HEADER_KIND, HEADER_FROM) : NULL;
    const char *name = group_pass_headers(g), *end;
    char one[128];

    if (value)
        put_pair(out, "", 0, value);
    for (; (end = strchr(name, '\n')); name = end + 1) {
        if ((size_t)(end - name) >= sizeof(one))
            continue;
        snprintf(one, sizeof(one), "%.*s", (int)(end - name), name);
        value = MHD_lookup_connection_value(c, MHD_HEADER_KIND, one);
        if (value)
            put_pair(out, one, strlen(one), value);
    }
}

/* Parks the connection until the key is loaded. Takes the reference to g. */
static int park(struct server *s, struct MHD_Connection *c, struct group *g,
                const struct dialect_target *t, uint32_t hash, int peer, void **con_cls)
{
    struct request *q = mem_zalloc(sizeof(*q));
    struct buf info;

    q->waiter.wake = request_wake;
    q->server = s;
    q->connection = c;
    q->group = g;
    q->peer = peer;
    *con_cls = q;
    buf_init(&info, 0);
    put_info(&info, c, g, peer);
    q->waiter.info = info.data;
    q->waiter.info_len = info.failed ? 0 : info.len;
    MHD_suspend_connection(c);
    if (group_load(g, hash, t->key, t->key_len, peer, &q->waiter, &q->result))
        MHD_resume_connection(c);
    buf_deinit(&info);
    return MHD_YES;
}

static int serve_target(struct server *s, const struct answer_to *to,
                        const struct dialect_target *t, void **con_cls)
{
    struct group *g = groups_find(s->opts.groups, t->group, t->group_len);
    struct result r = {.item = NULL};
    struct error e;
    uint32_t hash;
    int ok;

    if (!g) {
        /* To a peer this is no answer about the key: it may know the group and load it itself. */
        error_set(&e, to->peer ? ERR_INVAL : ERR_NOTFOUND, "no such group: %.*s", (int)t->group_len,
                  t->group);
        return answer_status(to, to->peer ? dialect_facts(s->opts.dialect)->no_group_status : 404,
                             &e);
    }
    hash = group_hash(t->key, t->key_len);
    r.item = group_lookup(g, hash, t->key, t->key_len, to->peer, &r.source);
    if (!r.item)
        return park(s, to->connection, g, t, hash, to->peer, con_cls);
    ok = answer_value(to, g, &r);
    group_unref(g);
    return ok;
}

/* --- paths --- */

/* The rest of a raw target behind base_path or /cache/. */
static int serve_path(struct server *s, const struct answer_to *to, const char *rest,
                      void **con_cls)
{
    size_t n = strlen(rest);
    char fixed[SHORT_TARGET], *scratch = n <= sizeof(fixed) ? fixed : mem_alloc(n);
    enum dialect_parse parsed;
    struct dialect_target t;
    struct error e = {.code = ERR_OK};
    int ok;

    parsed = scratch ? dialect_parse(s->opts.dialect, rest, n, scratch, &t) : DIALECT_NO_KEY;
    if (!scratch)
        error_set(&e, ERR_NOMEM, "no memory for a key");
    else if (parsed == DIALECT_BAD_ESCAPE)
        error_set(&e, ERR_INVAL, "the path has a raw control byte or a %% without two hex digits");
    else if (parsed == DIALECT_NO_KEY)
        error_set(&e, ERR_INVAL, to->peer ? "bad request" : "the path is not /cache/GROUP/KEY");
    else if (t.key_len > s->opts.max_key_bytes)
        error_set(&e, ERR_INVAL, "the key has %zu bytes, max_key_bytes is %zu", t.key_len,
                  s->opts.max_key_bytes);
    if (parsed == DIALECT_BAD_ESCAPE && to->peer)
        ok = answer_unparsed(to);
    else
        ok = e.code ? answer_error(to, &e) : serve_target(s, to, &t, con_cls);
    if (scratch != fixed)
        mem_free(scratch);
    return ok;
}

static int serve_ready(struct server *s, const struct answer_to *to)
{
    const char *why = s->opts.not_ready(s->opts.ctx);
    char text[100];
    int n = snprintf(text, sizeof(text), "%s\n", why ? why : "ready");

    return answer_bytes(to, why ? 503 : 200, "text/plain; charset=utf-8", text, (size_t)n);
}

static int serve_stats(struct server *s, const struct answer_to *to)
{
    struct error e;
    struct buf out;
    int ok;

    buf_init(&out, 0);
    s->opts.stats(s->opts.ctx, &out);
    if (out.failed) {
        error_set(&e, out.failed, "no memory for the statistics");
        ok = answer_error(to, &e);
    } else {
        ok = answer_bytes(to, 200, "application/json", out.data, out.len);
    }
    buf_deinit(&out);
    return ok;
}

static int not_found(const struct answer_to *to)
{
    struct error e;

    error_set(&e, ERR_NOTFOUND, "there is nothing at this path");
    return answer_status(to, 404, &e);
}

/* The path of a target in absolute form (RFC 9112 3.2.2), or the target itself. */
static const char *path_of(const char *target)
{
    const char *path;

    if (strncasecmp(target, "http://", 7) != 0)
        return target;
    path = strchr(target + 7, '/');
    return path ? path : "/";
}

static int serve(struct server *s, struct MHD_Connection *c, const char *url, const char *method,
                 void **con_cls)
{
    int data = (s->opts.faces & SERVER_DATA) != 0, admin = (s->opts.faces & SERVER_ADMIN) != 0;
    size_t base = strlen(s->opts.base_path);
    struct answer_to to;
    struct error e;

    if (data && strncmp(url, s->opts.base_path, base) == 0) {
        answer_to_init(&to, s, c, 1);
        if (dialect_verb(s->opts.dialect, method) != DIALECT_GET) {
            error_set(&e, ERR_INVAL, DIALECT_METHODS_TEXT);
            return answer_status(&to, 405, &e);
        }
        return serve_path(s, &to, url + base, con_cls);
    }
    answer_to_init(&to, s, c, 0);
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
        error_set(&e, ERR_INVAL, "method %.20s is not served here", method);
        return answer_status(&to, 405, &e);
    }
    if (data && strncmp(url, CLIENT_PATH, strlen(CLIENT_PATH)) == 0)
        return serve_path(s, &to, url + strlen(CLIENT_PATH), con_cls);
    if (strcmp(url, "/healthz") == 0)
        return answer_bytes(&to, 200, "text/plain; charset=utf-8", "ok\n", 3);
    if (strcmp(url, "/readyz") == 0)
        return serve_ready(s, &to);
    if (admin && strcmp(url, "/stats") == 0)
        return serve_stats(s, &to);
    return not_found(&to);
}

/* --- libmicrohttpd's callbacks --- */

static int refuse(struct server *s, struct MHD_Connection *c, int status, enum err code,
                  const char *why)
{
    struct answer_to to = {c, s->opts.dialect, 0, 1};
    struct error e;

    error_set(&e, code, "%s", why);
    return answer_status(&to, status, &e);
}

/* libmicrohttpd takes any bytes for a method: also those of a TLS client that came here by mistake,
 * and what follows them is no request. */
static int bad_method(const char *method)
{
    return method[strspn(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_")] != '\0';
}

static size_t memory_of_connection(const struct server_opts *o)
{
    return 2 * (3 * o->max_key_bytes + HEADER_ROOM);
}

static struct client *client_of(struct MHD_Connection *c)
{
    return MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

/* libmicrohttpd gives a target as a C string, which it ends itself where the space before the
 * version was. When it ends earlier a NUL was sent, and the key would be another. A version that is
 * elsewhere in memory, should there come to be such, says nothing. */
static int has_nul(const struct server *s, struct MHD_Connection *c, const char *version)
{
    uintptr_t gap = (uintptr_t)version - (uintptr_t)client_of(c)->target_end;

    return gap != 1 && gap < memory_of_connection(&s->opts);
}

static int first_call(struct server *s, struct MHD_Connection *c, const char *method,
                      const char *version, void **con_cls)
{
    *con_cls = &seen;
    atomic_fetch_add_explicit(&s->active, 1, memory_order_relaxed);
    if (has_nul(s, c, version))
        return refuse(s, c, 400, ERR_INVAL, "the target of the request has a raw NUL");
    if (bad_method(method))
        return refuse(s, c, 400, ERR_INVAL, "the method is not one of HTTP");
    if (bad_framing(c))
        return refuse(s, c, 400, ERR_INVAL,
                      "a request here has no body, one Host and clean headers");
    if (atomic_load_explicit(&s->connections, memory_order_relaxed) > s->opts.max_connections)
        return refuse(s, c, 503, ERR_BUSY, "too many connections");
    return MHD_YES;
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *c, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **con_cls)
{
    struct server *s = arg;

    (void)upload;
    if (*con_cls == NULL)
        return (enum MHD_Result)first_call(s, c, method, version, con_cls);
    if (*upload_size) { /* cannot be: bodies were refused */
        *upload_size = 0;
        return MHD_YES;
    }
    if (*con_cls == &seen)
        return (enum MHD_Result)serve(s, c, path_of(url), method, con_cls);
    return (enum MHD_Result)answer_request(*con_cls);
}

static void on_completed(void *arg, struct MHD_Connection *c, void **con_cls,
                         enum MHD_RequestTerminationCode how)
{
    struct server *s = arg;
    struct request *q = *con_cls == &seen ? NULL : *con_cls;

    (void)c;
    (void)how;
    if (*con_cls)
        atomic_fetch_sub_explicit(&s->active, 1, memory_order_relaxed);
    *con_cls = NULL;
    if (!q)
        return;
    item_unref(q->result.item); /* woken, and then the connection ended before the answer */
    group_unref(q->group);
    mem_free(q);
}

static void on_connection(void *arg, struct MHD_Connection *c, void **socket_ctx,
                          enum MHD_ConnectionNotificationCode what)
{
    static _Thread_local int named;
    struct server *s = arg;
    char name[16];

    (void)c;
    if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
        mem_free(*socket_ctx);
        atomic_fetch_sub_explicit(&s->connections, 1, memory_order_relaxed);
        return;
    }
    *socket_ctx = mem_zalloc(sizeof(struct client));
    atomic_fetch_add_explicit(&s->connections, 1, memory_order_relaxed);
    if (!named) {
        named = 1;
        snprintf(name, sizeof(name), "%s-%u", s->opts.faces & SERVER_DATA ? "http" : "admin",
                 atomic_fetch_add(&s->threads_named, 1) + 1);
        thread_set_name(name);
    }
}

/* Before the query is taken off. */
static void *on_target(void *arg, const char *target, struct MHD_Connection *c)
{
    (void)arg;
    client_of(c)->target_end = target ? target + strlen(target) : NULL;
    return NULL;
}

static size_t keep_raw(void *arg, struct MHD_Connection *c, char *s)
{
    (void)arg;
    (void)c;
    return strlen(s);
}

static void __attribute__((format(printf, 2, 0))) on_log(void *arg, const char *fmt, va_list ap)
{
    char text[300], quoted[400];
    int n = vsnprintf(text, sizeof(text), fmt, ap);

    (void)arg;
    if (n > (int)sizeof(text) - 1)
        n = (int)sizeof(text) - 1;
    while (n > 0 && text[n - 1] == '\n')
        n--;
    if (n > 0)
        log_debug("server", "libmicrohttpd", "text=%s",
                  log_quote(quoted, sizeof(quoted), text, (size_t)n));
}

/* --- life --- */

/* The acceptor's thread. When it cannot be served libmicrohttpd closes it. */
static void on_accept(void *arg, int fd, const struct sockaddr *addr, socklen_t len)
{
    struct server *s = arg;

    MHD_add_connection(s->daemon, fd, addr, len);
}

static void server_free(struct server *s)
{
    mem_free((char *)(size_t)s->opts.base_path);
    mem_free(s);
}

struct server *server_start(const struct server_opts *o, struct error *e)
{
    const unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME |
                           MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ERROR_LOG;
    struct server *s = mem_zalloc(sizeof(*s));
    sigset_t all, old;
    unsigned limit = o->max_connections + o->max_connections / SPARE_CONNECTIONS_IN + o->threads;

    s->opts = *o;
    s->opts.base_path = mem_strdup(o->base_path);
    s->opts.address = NULL; /* only for the message below */
    /* A pool of one is no pool to libmicrohttpd, but one internal thread: the same to us. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old); /* its threads inherit the mask */
    s->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, on_request, s, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL,
        MHD_OPTION_CONNECTION_LIMIT, limit, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        memory_of_connection(o), MHD_OPTION_URI_LOG_CALLBACK, on_target, NULL,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_SECONDS, MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_UNESCAPE_CALLBACK, keep_raw, NULL, MHD_OPTION_NOTIFY_COMPLETED, on_completed, s,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, s,
        o->threads > 1 ? MHD_OPTION_THREAD_POOL_SIZE : MHD_OPTION_END, o->threads, MHD_OPTION_END);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (!s->daemon) {
        error_set(e, ERR_NOMEM, "no HTTP threads for %s (%u threads, %u connections)", o->address,
                  o->threads, limit);
        close(o->fd);
        server_free(s);
        return NULL;
    }
    s->acceptor = acceptor_start("accept", o->fd, on_accept, s, e);
    if (!s->acceptor) {
        MHD_stop_daemon(s->daemon);
        server_free(s);
        return NULL;
    }
    return s;
}

void server_quiesce(struct server *s)
{
    atomic_store(&s->closing, 1);
    acceptor_stop(s->acceptor);
    s->acceptor = NULL;
}

unsigned server_active(const struct server *s)
{
    return atomic_load(&s->active);
}

void server_stop(struct server *s)
{
    if (!s)
        return;
    server_quiesce(s);
    MHD_stop_daemon(s->daemon);
    server_free(s);
}
