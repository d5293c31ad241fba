/* SPDX-License-Identifier: MIT */
/* job.c - a request that takes more than one call, and what the serve_*.c files share. */
#include <errno.h>
#include <microhttpd.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/traceparent.h"
#include "cache/group.h"
#include "cache/groups.h"
#include "http/early.h"
#include "http/server_in.h"
#include "http/tls.h"

void job_init(struct job *j, const struct job_kind *kind, const struct asked *a, struct group *g)
{
    j->kind = kind;
    j->server = a->server;
    j->to = a->to;
    if (a->to.claim) {
        j->claim = *a->to.claim;
        j->to.claim = &j->claim;
    }
    j->group = g;
    j->began_ns = clock_ns();
    *a->con_cls = j;
}

void job_deinit(struct job *j)
{
    body_deinit(&j->body);
    group_unref(j->group);
}

const struct answer_to *job_to(struct job *j)
{
    j->to.close = j->last || j->body.failed || atomic_load(&j->server->closing);
    return &j->to;
}

/* Peers are not refused: they may wait for each other's loads, not for clients'. */
int job_may_park(struct job *j, int *ok)
{
    struct error e;

    if (mem_is_short()) {
        error_set(&e, ERR_NOMEM, "memory is short: only hits are served");
        *ok = answer_error(job_to(j), &e);
        return 0;
    }
    if (j->to.peer || server_loop_can_park())
        return 1;
    tally_add(&j->server->tally.unparked);
    error_set(&e, ERR_BUSY, "too many requests wait for loads and changes");
    *ok = answer_error(job_to(j), &e);
    return 0;
}

static int answer_no_body(struct job *j)
{
    struct error e;

    if (j->body.failed == ERR_TOOBIG)
        error_set(&e, ERR_TOOBIG, "the body is too large: %zu bytes is the limit here",
                  j->body.max);
    else
        error_set(&e, j->body.failed, "no memory for a body now");
    return answer_error(job_to(j), &e);
}

int job_begin(struct job *j, const struct framing *f, size_t max)
{
    struct budget *b = &j->server->budget;

    if (!f->body)
        return j->kind->run(j);
    body_init(&j->body, max, (size_t)f->length, b);
    j->last = f->chunked;
    if (f->length > max) {
        j->body.failed = ERR_TOOBIG;
    } else if (!budget_take_for(b, (size_t)f->length, max)) {
        j->body.failed = ERR_BUSY;
    } else {
        budget_give(b, (size_t)f->length); /* the body takes it as its bytes arrive */
        crowd_body_until(crowd_guest(j->to.connection), j->body.until_ms);
        return MHD_YES;
    }
    return answer_no_body(j);
}

/* libmicrohttpd reads once for each event of its socket. If bytes arrive together with the end of
 * the connection, it reads the bytes and never notices the end. */
int job_sender_is_gone(const struct job *j)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(j->to.connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    char byte;
    ssize_t n = recv(info->connect_fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

    if (n > 0)
        return j->server->opts.tls && tls_is_closed(info->connect_fd);
    return n == 0 || errno == ECONNRESET;
}

int job_take(struct job *j, const char *bytes, size_t n)
{
    const struct body *b = &j->body;

    if (!body_take(&j->body, bytes, n))
        return MHD_NO;
    crowd_body_until(crowd_guest(j->to.connection), b->until_ms);
    return b->came < b->announced && job_sender_is_gone(j) ? MHD_NO : MHD_YES;
}

/* The signature of the head covers the digest of the body. */
static int answer_other_body(struct job *j)
{
    struct error e;

    j->last = 1;
    error_set(&e, ERR_INVAL, HEADER_AUTH ": the body is not the one that was signed");
    return answer_status(job_to(j), 401, &e);
}

int job_run(struct job *j)
{
    if (j->body.whole_ms)
        crowd_body_until(crowd_guest(j->to.connection), 0); /* it is whole */
    if (j->body.failed)
        return answer_no_body(j);
    if (j->to.claim && !j->judged && !auth_is_body(&j->claim, body_bytes(&j->body), j->body.len))
        return answer_other_body(j);
    j->judged = 1;
    return j->kind->run(j);
}

void job_compare(struct asked *a, struct group *g)
{
    struct server *s = a->server;
    struct MHD_Connection *c = a->to.connection;

    if (a->framing->view)
        s->opts.compare(s->opts.ctx, g,
                        MHD_lookup_connection_value(c, MHD_HEADER_KIND, HEADER_FROM),
                        a->framing->view, a->to.view);
    if (g && a->framing->stand_in)
        s->opts.stands_in(s->opts.ctx, g);
}

struct group *job_group_of(struct asked *a, int *ok)
{
    const struct dialect_target *t = &a->target;
    struct group *g = early_group(a->early);
    struct error e;

    if (!g)
        g = groups_find(a->server->opts.groups, t->group, t->group_len);
    if (g) {
        job_compare(a, g);
        return g;
    }
    /* To a peer this says nothing about the key: the peer may know the group, and load the key
     * itself. */
    error_set(&e, a->to.peer ? ERR_INVAL : ERR_NOTFOUND, "no such group: %.*s", (int)t->group_len,
              t->group);
    *ok =
        answer_status(&a->to, a->to.peer ? dialect_facts(a->to.dialect)->no_group_status : 404, &e);
    return NULL;
}

/* --- for every request --- */

void job_answer_to_init(struct answer_to *to, struct server *s, struct MHD_Connection *c, int peer)
{
    to->connection = c;
    to->sendings = &s->sendings;
    to->dialect = s->opts.dialect;
    to->peer = peer;
    to->claim = NULL;
    to->view[0] = '\0';
    to->clock = 0;
    to->ours = to->proven = to->head = to->conditional = 0;
    to->close = atomic_load_explicit(&s->closing, memory_order_relaxed);
}

int job_refuse(struct server *s, struct MHD_Connection *c, int status, enum err code,
               const char *why)
{
    char quoted[2 * ERROR_TEXT];
    struct answer_to to;
    struct error e;

    job_answer_to_init(&to, s, c, 0);
    to.close = 1;
    error_set(&e, code, "%s", why);
    log_debug("server", "refused a request", "status=%d code=%s error=%s", status, err_name(code),
              log_quote(quoted, sizeof(quoted), e.msg, strlen(e.msg)));
    return answer_status(&to, status, &e);
}

int job_is_get(const char *method)
{
    return method[0] == 'G' ? strcmp(method, "GET") == 0 : strcmp(method, "HEAD") == 0;
}

/* The two headers of a trace, as they are found among all headers. */
struct found_trace {
    unsigned parents;
    const char *parent;
    size_t state_len;
    char state[TRACEPARENT_STATE_BYTES + 2];
};

/* Values of a tracestate that comes in several headers are joined, as with all lists. One that is
 * too long stays too long. */
static void add_state(struct found_trace *t, const char *value, size_t n)
{
    size_t room = sizeof(t->state) - t->state_len;

    if (t->state_len && room) {
        t->state[t->state_len++] = ',';
        room--;
    }
    n = n < room ? n : room;
    memcpy(t->state + t->state_len, value, n);
    t->state_len += n;
}

static enum MHD_Result find_trace(void *ctx, enum MHD_ValueKind kind, const char *name,
                                  const char *value)
{
    struct found_trace *t = ctx;

    (void)kind;
    if (!value || (name[0] | 32) != 't')
        return MHD_YES;
    if (strcasecmp(name, TRACEPARENT_HEADER) == 0) {
        t->parents++;
        t->parent = value;
    } else if (strcasecmp(name, TRACEPARENT_STATE_HEADER) == 0) {
        add_state(t, value, strlen(value));
    }
    return MHD_YES;
}

const struct traceparent *job_trace(struct MHD_Connection *c, struct traceparent *out)
{
    struct found_trace t;

    if (!MHD_lookup_connection_value(c, MHD_HEADER_KIND, TRACEPARENT_HEADER))
        return NULL;
    t.parents = 0;
    t.parent = NULL;
    t.state_len = 0;
    MHD_get_connection_values(c, MHD_HEADER_KIND, find_trace, &t);
    return t.parents == 1 && traceparent_read(out, t.parent, strlen(t.parent), t.state, t.state_len)
               ? out
               : NULL;
}

static void put_pair(struct buf *out, const char *name, size_t name_len, const char *value)
{
    buf_put(out, name, name_len);
    buf_put(out, "", 1);
    buf_put(out, value, strlen(value) + 1);
}

void job_put_info(struct buf *out, struct MHD_Connection *c, const struct group *g, int peer)
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
