/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <microhttpd.h>
#include <sys/socket.h>

#include "cache/group.h"
#include "cache/groups.h"
#include "http/server_in.h"

void job_init(struct job *j, const struct job_kind *kind, const struct asked *a, struct group *g)
{
    j->kind = kind;
    j->server = a->server;
    j->to = a->to;
    j->group = g;
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
    } else if (!budget_take(b, (size_t)f->length)) {
        j->body.failed = ERR_BUSY;
    } else {
        budget_give(b, (size_t)f->length); /* it is taken as it comes */
        return MHD_YES;
    }
    return answer_no_body(j);
}

/* libmicrohttpd reads once for each event of its socket. What has come together with the end of the
 * connection is read, and of the end it never hears. */
int job_sender_is_gone(const struct job *j)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(j->to.connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    char byte;
    ssize_t n = recv(info->connect_fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

    return n == 0 || (n < 0 && errno == ECONNRESET);
}

int job_take(struct job *j, const char *bytes, size_t n)
{
    const struct body *b = &j->body;

    if (!body_take(&j->body, bytes, n))
        return MHD_NO;
    return b->came < b->announced && job_sender_is_gone(j) ? MHD_NO : MHD_YES;
}

int job_run(struct job *j)
{
    return j->body.failed ? answer_no_body(j) : j->kind->run(j);
}

struct group *group_of(const struct asked *a, int *ok)
{
    const struct dialect_target *t = &a->target;
    struct group *g = groups_find(a->server->opts.groups, t->group, t->group_len);
    struct error e;

    if (g)
        return g;
    /* To a peer this is no answer about the key: it may know the group and load it itself. */
    error_set(&e, a->to.peer ? ERR_INVAL : ERR_NOTFOUND, "no such group: %.*s", (int)t->group_len,
              t->group);
    *ok =
        answer_status(&a->to, a->to.peer ? dialect_facts(a->to.dialect)->no_group_status : 404, &e);
    return NULL;
}
