/* SPDX-License-Identifier: MIT */
/* server.c - the life of a server, and libmicrohttpd's callbacks.
 *
 * libmicrohttpd calls on_request() after the headers, for each piece of a body, and after the body
 * (at once if there is no body). It calls it again each time a suspended connection is resumed.
 *
 * Paths are taken raw (the unescape callback does nothing) and decoded once, with lengths, by
 * wire/dialect: libmicrohttpd would cut a key at %00. */
#include "http/server.h"

#include <microhttpd.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "http/acceptor.h"
#include "http/access.h"
#include "http/answer_form.h"
#include "http/early.h"
#include "http/last_words.h"
#include "http/move.h"
#include "http/server_in.h"
#include "http/server_loop.h"
#include "http/sorter.h"
#include "http/tls.h"

enum {
    HEADER_ROOM = 1536, /* beside the longest key: for the records of other headers, and for the
                         * answer's headers. Larger heads move */
    LEAST_MEMORY = 10 * 1024,
    TARGET_ROOM = 1024,           /* beside the longest key: method, path, group, version */
    TLS_HEADER_ROOM = 4 * 1024,   /* beside the longest key, with TLS: nothing moves there */
    TLS_LEAST_MEMORY = 18 * 1024, /* a line of 8 KB, and its copy if it is a cookie */
    LARGEST_HEAD = 64 * 1024,     /* 32 KB, its records and copies of its cookies */
    RECORDS = 64 * 1024,          /* of the headers of a large head, and copies of its cookies */
    BODIES_BYTES = 256 * 1024 * 1024, /* of all current bodies, and of batches and lists */
    SPARE_CONNECTIONS = 256, /* libmicrohttpd's limit is so far above ours: beyond its limit it
                              * resets connections, beyond ours clients get 503 */
    TIMED = 16               /* of so many requests that are answered at once, one is timed */
};

/* Of a connection. */
struct client {
    struct guest guest; /* the first: crowd_guest() finds it */
    /* Of the last request. */
    const char *target, *target_end; /* where its C string begins and ends */
    char *query;                     /* the part behind the first ?, owned; NULL: no ? */
    int has_space; /* in the target; libmicrohttpd lets it pass if it is not strict */
    struct framing framing;
    int sound; /* of the framing */
    struct move move;
    struct last_words words;
    struct access access;
    struct tls_conn tls;
    struct early early;
    uint64_t began_ns; /* clock_ns() time at which a request began that is timed; else 0 */
    enum server_asker asker;
};

/* Where *con_cls points once the headers were seen and while there is no job; and while the first
 * bytes of a body are awaited, to move with the head. */
static char seen, moving;

/* --- libmicrohttpd's callbacks --- */

/* libmicrohttpd takes any bytes for a method, such as those of a TLS client. The bytes behind them
 * are no request. */
static int bad_method(const char *method)
{
    const char *s = method;

    while (((*s | 0x20) >= 'a' && (*s | 0x20) <= 'z') || *s == '-' || *s == '_')
        s++;
    return *s != '\0';
}

/* No more than a request needs: libmicrohttpd clears all of it after every request, which evicts
 * other data from the processor's caches. */
static size_t memory_of_connection(const struct server_opts *o)
{
    size_t n = 3 * o->max_key_bytes + HEADER_ROOM;

    if (o->tls) {
        n = 3 * o->max_key_bytes + TLS_HEADER_ROOM;
        return n > TLS_LEAST_MEMORY ? n : TLS_LEAST_MEMORY;
    }
    if (!framing_is_in_place())
        return n + LARGEST_HEAD; /* connections do not move */
    return n > LEAST_MEMORY ? n : LEAST_MEMORY;
}

static size_t max_target(const struct server_opts *o)
{
    return 3 * o->max_key_bytes + TARGET_ROOM;
}

/* libmicrohttpd reads into half of it, which must take any head at once (move.c). */
static size_t roomy_memory(const struct server_opts *o)
{
    return 2 * porch_max_head(max_target(o)) + RECORDS;
}

static struct client *client_of(struct MHD_Connection *c)
{
    return list_entry(crowd_guest(c), struct client, guest);
}

/* libmicrohttpd gives the target as a C string, and puts the NUL in place of the space before the
 * version. If the string ends earlier, the client sent a NUL, which would cut the key. If the
 * version is elsewhere in memory, nothing is known. */
static int has_nul(const struct server *s, const struct client *client, const char *version)
{
    uintptr_t gap = (uintptr_t)version - (uintptr_t)client->target_end;

    return gap != 1 && gap < memory_of_connection(&s->opts);
}

static int serve(struct server *s, struct MHD_Connection *c, struct client *client, const char *url,
                 const char *method, void **con_cls)
{
    const struct request_line line = {.target = url,
                                      .query = client->query,
                                      .method = method,
                                      .tls = &client->tls,
                                      .early = &client->early};

    return route(s, c, &line, &client->framing, con_cls);
}

/* A peer is answered in its dialect: most take 503 for the getter's last word. */
static int answer_busy(struct server *s, struct MHD_Connection *c, const char *url,
                       const struct framing *f)
{
    struct answer_to to;
    struct error e;

    job_answer_to_init(&to, s, c, route_is_peers(s, url));
    to.ours = f->from;
    to.close = 1;
    tally_add(&s->tally.refused);
    error_set(&e, ERR_BUSY, "too many connections: max_connections is %u", s->crowd.max);
    return answer_error(&to, &e);
}

/* Peers and operators have places of their own. */
static int has_kept_place(const struct server *s, const char *url)
{
    return !(s->opts.faces & SERVER_DATA) || route_is_peers(s, url) || route_is_admin(url);
}

/* Reads the head, if the request can be served here. */
static enum move_due moves(struct MHD_Connection *c, struct client *client, const char *method,
                           const char *version)
{
    if (move_is_under_way(&client->move))
        return MOVE_GOES;
    client->sound = framing_read(c, method, version, &client->framing);
    return client->sound ? move_is_due(&client->move, &client->framing) : MOVE_STAYS;
}

static enum server_asker asker_of(const struct server *s, const char *url)
{
    if (route_is_peers(s, url))
        return SERVER_ASKER_PEER;
    return (s->opts.faces & SERVER_DATA) && !route_is_admin(url) ? SERVER_ASKER_CLIENT
                                                                 : SERVER_ASKER_OPERATOR;
}

/* A clock costs as much as some other parts of a hit. So only a part of the requests is timed. If a
 * request gets a job, it waits or has a body, and the job knows the time. */
static void time_some(const struct server *s, struct client *client, const char *url)
{
    static _Thread_local unsigned requests;

    if (++requests % TIMED)
        return;
    client->began_ns = clock_ns();
    client->asker = asker_of(s, url);
}

static void end_time(struct server *s, struct client *client, const struct job *j)
{
    if (j)
        histogram_add_shared(&s->times[j->to.peer ? SERVER_ASKER_PEER : SERVER_ASKER_CLIENT],
                             clock_ns() - j->began_ns, 1);
    else if (client->began_ns)
        histogram_add_shared(&s->times[client->asker], clock_ns() - client->began_ns, TIMED);
    client->began_ns = 0;
}

static int first_call(struct server *s, struct MHD_Connection *c, struct client *client,
                      const char *url, const char *method, const char *version, void **con_cls)
{
    struct framing *f = &client->framing;

    *con_cls = &seen;
    early_head(&client->early);
    time_some(s, client, url);
    crowd_turn(&client->guest);
    atomic_fetch_add_explicit(&s->active, 1, memory_order_relaxed);
    if (has_nul(s, client, version))
        return job_refuse(s, c, 400, ERR_INVAL, "the target of the request has a raw NUL");
    if (bad_method(method) || !framing_is_whole(method, client->target))
        return job_refuse(s, c, 400, ERR_INVAL, "the method is not one of HTTP");
    if (client->has_space)
        return job_refuse(s, c, 400, ERR_INVAL,
                          "the target of the request has a raw space, which is written %20");
    if (f->chunked)
        last_words_body(&client->words);
    if (!client->sound)
        return job_refuse(s, c, 400, ERR_INVAL,
                          "a request has one Host, clean headers and at most one length");
    if (f->line > PORCH_LINE_BYTES || f->head > porch_max_head(max_target(&s->opts)))
        return job_refuse(s, c, 431, ERR_TOOBIG, "the headers of the request are too large");
    if (f->expects)
        return job_refuse(s, c, 417, ERR_INVAL, "Expect can be 100-continue");
    if (!crowd_may_ask(&client->guest, 0) &&
        !(has_kept_place(s, url) && crowd_may_ask(&client->guest, 1)))
        return answer_busy(s, c, url, f);
    return f->body ? serve(s, c, client, url, method, con_cls) : MHD_YES;
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *c, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **con_cls)
{
    struct server *s = arg;
    struct client *client = client_of(c);
    size_t n = *upload_size;
    enum move_due due;

    move_head_ends(&client->move, method);
    last_words_called(&client->words);
    if (*con_cls == &moving) {
        *con_cls = NULL;
        move_with(&client->move, upload, n);
        return MHD_NO;
    }
    if (*con_cls == NULL && (due = moves(c, client, method, version)) != MOVE_STAYS) {
        *con_cls = due == MOVE_WITH_BODY ? &moving : NULL;
        return due == MOVE_GOES ? MHD_NO : MHD_YES;
    }
    if (s->opts.tls)
        tls_asked(&client->tls);
    if (s->opts.access)
        access_enter(&client->access, method, version);
    if (*con_cls == NULL)
        return (enum MHD_Result)first_call(s, c, client, url, method, version, con_cls);
    if (n) {
        *upload_size = 0;
        return *con_cls == &seen ? MHD_NO : (enum MHD_Result)job_take(*con_cls, upload, n);
    }
    if (*con_cls == &seen)
        return (enum MHD_Result)serve(s, c, client, url, method, con_cls);
    return (enum MHD_Result)job_run(*con_cls);
}

static void on_completed(void *arg, struct MHD_Connection *c, void **con_cls,
                         enum MHD_RequestTerminationCode how)
{
    struct client *client = client_of(c);
    struct server *s = arg;
    struct job *j;

    (void)how;
    *con_cls = *con_cls == &moving ? NULL : *con_cls;
    j = *con_cls == &seen ? NULL : *con_cls;
    last_words_ended(&client->words);
    answer_form_end(&client->guest);
    early_end(&client->early);
    if (s->opts.access)
        access_end(&client->access, s->opts.access, c);
    if (*con_cls) {
        end_time(s, client, j);
        crowd_turn(&client->guest);
        atomic_fetch_sub_explicit(&s->active, 1, memory_order_relaxed);
    }
    *con_cls = NULL;
    if (j)
        j->kind->end(j);
}

static void on_connection(void *arg, struct MHD_Connection *c, void **socket_ctx,
                          enum MHD_ConnectionNotificationCode what)
{
    struct client *client = *socket_ctx;
    struct server *s = arg;

    if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
        crowd_leave(&client->guest);
        last_words_closed(&client->words);
        move_closed(&client->move);
        mem_free(client->query);
        early_end(&client->early);
        access_end(&client->access, NULL, NULL);
        tls_end(&client->tls);
        mem_free(client);
        server_loop_closed();
        return;
    }
    client = *socket_ctx = mem_zalloc(sizeof(*client));
    crowd_enter(&s->crowd, &client->guest, c,
                MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd,
                s->opts.tls != NULL);
    move_init(&client->move, c, s->opts.tls != NULL);
    last_words_init(&client->words, &client->move);
    if (s->opts.tls)
        tls_begin(s->opts.tls, &client->tls, c);
}

/* Called before the query is cut off. */
static void *on_target(void *arg, const char *target, struct MHD_Connection *c)
{
    struct server *s = arg;
    struct client *client = client_of(c);
    size_t n = target ? strlen(target) : 0;
    const char *query = n ? memchr(target, '?', n) : NULL;

    client->target = target;
    client->target_end = target ? target + n : NULL;
    client->has_space = n && memchr(target, ' ', n);
    mem_free(client->query);
    client->query = query ? mem_strdup(query + 1) : NULL;
    move_head_begins(&client->move, target, client->target_end, client->query);
    early_target(&client->early, s, target, query ? 0 : n);
    if (s->opts.access && target)
        access_begin(&client->access, target);
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
    const struct server *s = arg;
    char text[300], quoted[400];
    int n = vsnprintf(text, sizeof(text), fmt, ap);

    if (n > (int)sizeof(text) - 1)
        n = (int)sizeof(text) - 1;
    while (n > 0 && text[n - 1] == '\n')
        n--;
    if (s->opts.tls)
        tls_heard(text);
    last_words_heard(text, memory_of_connection(&s->opts) / 2, s->opts.tls != NULL);
    if (n > 0 && !last_words_are_known(text))
        log_debug("server", "libmicrohttpd", "text=%s",
                  log_quote(quoted, sizeof(quoted), text, (size_t)n));
}

/* --- life --- */

/* Gives the connection to the loop with the fewest. */
static void give_to_loop(void *arg, int fd, const struct sockaddr *addr, socklen_t len)
{
    struct server *s = arg;
    unsigned i, least = 0;

    for (i = 1; i < s->n_loops; i++) {
        if (server_loop_connections(s->loops[i]) < server_loop_connections(s->loops[least]))
            least = i;
    }
    server_loop_add(s->loops[least], fd, addr, len);
}

/* The acceptor's thread. */
static void on_accept(void *arg, int fd, const struct sockaddr *addr, socklen_t len)
{
    struct server *s = arg;

    if (s->sorter)
        sorter_put(s->sorter, fd, addr, len);
    else
        give_to_loop(s, fd, addr, len);
}

/* The first credentials are replaced for each connection, tls.c; libmicrohttpd insists on them. */
static struct MHD_Daemon *start_daemon(struct server *s, size_t memory)
{
    struct tls *t = s->opts.tls;
    const struct MHD_OptionItem with_tls[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0, t ? (char *)(size_t)tls_cert(t) : NULL},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, t ? (char *)(size_t)tls_key(t) : NULL},
        {MHD_OPTION_HTTPS_PRIORITIES, 0, (char *)(size_t)TLS_PRIORITIES},
        {MHD_OPTION_END, 0, NULL}};
    const struct MHD_OptionItem plain[] = {{MHD_OPTION_END, 0, NULL}};

    /* Without libmicrohttpd's eventfd, which costs a system call for each resumed connection. It is
     * not needed: server_loop.c resumes on the thread that runs the daemon, just before it runs it.
     */
    const unsigned flags = MHD_USE_EPOLL | (MHD_ALLOW_SUSPEND_RESUME & ~(unsigned)MHD_USE_ITC) |
                           MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ERROR_LOG |
                           (t ? MHD_USE_TLS : move_flag());

    return MHD_start_daemon(
        flags, 0, NULL, NULL, on_request, s, MHD_OPTION_EXTERNAL_LOGGER, on_log, s,
        MHD_OPTION_CONNECTION_LIMIT, s->crowd.most + SPARE_CONNECTIONS,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, memory, MHD_OPTION_URI_LOG_CALLBACK, on_target, s,
        MHD_OPTION_STRICT_FOR_CLIENT, framing_strictness(), MHD_OPTION_UNESCAPE_CALLBACK, keep_raw,
        NULL, MHD_OPTION_NOTIFY_COMPLETED, on_completed, s, MHD_OPTION_NOTIFY_CONNECTION,
        on_connection, s, MHD_OPTION_ARRAY, t ? with_tls : plain, MHD_OPTION_END);
}

/* A loop's share of the clients' requests that may wait for loads: hits need some places. */
static unsigned most_parked(const struct server *s)
{
    unsigned max = s->crowd.max - s->crowd.max / 4;

    return (max + s->opts.threads - 1) / s->opts.threads;
}

static enum err start_loop(struct server *s, struct error *e)
{
    const size_t memory = memory_of_connection(&s->opts);
    const struct porch_opts porch = {.crowd = &s->crowd, .max_target = max_target(&s->opts)};
    struct server_daemons d = {.common_head = memory / 4};
    char name[16];

    d.common = start_daemon(s, memory);
    d.roomy = d.common ? start_daemon(s, s->opts.tls ? memory : roomy_memory(&s->opts)) : NULL;
    if (!d.roomy) {
        if (d.common)
            MHD_stop_daemon(d.common);
        return error_set(e, ERR_NOMEM, "no HTTP threads for %s (%u threads, %u connections)",
                         s->opts.address, s->opts.threads, (unsigned)s->opts.max_connections);
    }
    snprintf(name, sizeof(name), "%s-%u", s->opts.faces & SERVER_DATA ? "http" : "admin",
             s->n_loops + 1);
    d.most_parked = most_parked(s);
    s->loops[s->n_loops] = server_loop_start(name, &d, &porch, e);
    if (!s->loops[s->n_loops])
        return e->code;
    s->n_loops++;
    return ERR_OK;
}

static void server_free(struct server *s)
{
    sorter_stop(s->sorter);
    while (s->n_loops)
        server_loop_stop(s->loops[--s->n_loops]);
    server_stop(s->twin); /* nobody gives it connections any more */
    mem_free(s->loops);
    crowd_deinit(&s->crowd);
    sendings_deinit(&s->sendings);
    mem_free((char *)(size_t)s->opts.base_path);
    mem_free((char *)(size_t)s->opts.front);
    mem_free((char *)(size_t)s->opts.address);
    mem_free(s);
}

/* It has no acceptor: the sorter gives it connections. */
static enum err start_twin(struct server *s, struct error *e)
{
    struct server_opts plain = s->opts;

    plain.fd = -1;
    plain.tls = NULL;
    s->twin = server_start(&plain, e);
    log_warn("tls", "plain HTTP is taken beside TLS, from anybody", "addr=%s", s->opts.address);
    return s->twin ? ERR_OK : e->code;
}

static enum err start_sorter(struct server *s, struct error *e)
{
    const struct sorter_way tls = {give_to_loop, s}, plain = {give_to_loop, s->twin};

    s->sorter = s->twin ? sorter_start(&tls, &plain, e) : NULL;
    return s->twin && !s->sorter ? e->code : ERR_OK;
}

static enum err start_loops(struct server *s, struct error *e)
{
    s->loops = mem_zalloc(s->opts.threads * sizeof(*s->loops));
    while (s->n_loops < s->opts.threads)
        if (start_loop(s, e))
            return e->code;
    return ERR_OK;
}

struct server *server_start(const struct server_opts *o, struct error *e)
{
    struct server *s = mem_zalloc(sizeof(*s));

    s->opts = *o;
    s->opts.base_path = mem_strdup(o->base_path);
    s->opts.front = o->front ? mem_strdup(o->front) : NULL;
    s->opts.address = mem_strdup(o->address);
    s->budget.max = BODIES_BYTES;
    s->budget.refused = &s->tally.unheld;
    crowd_init(&s->crowd, (unsigned)o->max_connections, &s->tally);
    sendings_init(&s->sendings, &s->tally);
    if ((o->tls && o->tls_plain && start_twin(s, e)) || start_loops(s, e) || start_sorter(s, e)) {
        if (o->fd >= 0)
            close(o->fd);
        server_free(s);
        return NULL;
    }
    if (o->fd < 0)
        return s;
    s->acceptor = acceptor_start("accept", o->fd, on_accept, s, e);
    if (!s->acceptor) {
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
    sorter_stop(s->sorter);
    s->sorter = NULL;
    if (s->twin)
        server_quiesce(s->twin);
}

unsigned server_active(const struct server *s)
{
    return atomic_load(&s->active) + (s->twin ? server_active(s->twin) : 0);
}

unsigned server_about_to_ask(struct server *s)
{
    unsigned i, n = 0;

    for (i = 0; i < s->n_loops; i++)
        n += server_loop_arriving(s->loops[i]);
    return n + crowd_about_to_ask(&s->crowd) + (s->twin ? server_about_to_ask(s->twin) : 0);
}

int server_turned(struct server *s)
{
    int turned = !s->twin || server_turned(s->twin);
    unsigned i;

    for (i = 0; i < s->n_loops; i++)
        turned &= server_loop_turned(s->loops[i]);
    return turned;
}

void server_stats(struct server *s, struct server_stats *add)
{
    unsigned i;

#define X(name, meaning) add->name += s->tally.name;
    TALLY_COUNTERS(X)
#undef X
    add->connections += atomic_load_explicit(&s->crowd.n, memory_order_relaxed);
    add->active += server_active(s);
    for (i = 0; i < s->n_loops; i++)
        add->parked += server_loop_parked(s->loops[i]);
    add->body_bytes += atomic_load_explicit(&s->budget.used, memory_order_relaxed);
    add->held_bytes += sendings_held(&s->sendings);
    histogram_merge(&add->peer_times, &s->times[SERVER_ASKER_PEER]);
    histogram_merge(&add->client_times, &s->times[SERVER_ASKER_CLIENT]);
    histogram_merge(&add->operator_times, &s->times[SERVER_ASKER_OPERATOR]);
}

void server_stop(struct server *s)
{
    if (!s)
        return;
    server_quiesce(s);
    server_free(s);
}
