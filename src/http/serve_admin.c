/* SPDX-License-Identifier: MIT */
/* serve_admin.c - the paths of operators: whether the node lives, whether it is ready, its
 * counters. */
#include <microhttpd.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "http/server_in.h"

static int answer_ready(struct server *s, const struct answer_to *to)
{
    const char *why = s->opts.not_ready(s->opts.ctx);
    char text[100];
    int n = snprintf(text, sizeof(text), "%s\n", why ? why : "ready");

    return answer_bytes(to, why ? 503 : 200, "text/plain; charset=utf-8", text, (size_t)n);
}

/* The paths of the operators' face. */
static const struct view {
    const char *path, *type;
    enum server_view what;
} views[] = {
    {"/stats", "application/json", SERVER_VIEW_STATS},
    {"/metrics", "text/plain; version=0.0.4; charset=utf-8", SERVER_VIEW_METRICS},
    {"/peers/http_sd", "application/json", SERVER_VIEW_TARGETS},
};

static const struct view *view_at(const char *path)
{
    size_t i;

    for (i = 0; i < sizeof(views) / sizeof(views[0]); i++)
        if (strcmp(path, views[i].path) == 0)
            return &views[i];
    return NULL;
}

int serve_admin_is_path(const char *path)
{
    return !strcmp(path, "/healthz") || !strcmp(path, "/readyz") || view_at(path);
}

static int answer_view(struct server *s, const struct answer_to *to, const struct view *v)
{
    struct buf out;
    int ok;

    buf_init(&out, 0);
    s->opts.show(s->opts.ctx, v->what, &out);
    ok = answer_buf(to, 200, v->type, &out);
    buf_deinit(&out);
    return ok;
}

static int not_found(const struct answer_to *to)
{
    struct error e;

    error_set(&e, ERR_NOTFOUND, "there is nothing at this path");
    return answer_status(to, 404, &e);
}

static int has(const struct answer_to *to, const char *name)
{
    return MHD_lookup_connection_value(to->connection, MHD_HEADER_KIND, name) != NULL;
}

/* Whether a Host is of this machine, or a name without a dot: no site has such a name. */
static int is_local(const char *host)
{
    static const char *const local[] = {"127.0.0.1", "[::1]"};
    size_t i, n = strcspn(host, ":");

    for (i = 0; i < sizeof(local) / sizeof(local[0]); i++) {
        size_t len = strlen(local[i]);

        if (strncmp(host, local[i], len) == 0 && (host[len] == '\0' || host[len] == ':'))
            return 1;
    }
    return n > 0 && host[0] != '[' && !memchr(host, '.', n);
}

/* Whether somebody asks by hand on this machine, as far as a request tells. A proxy passes on the
 * name that its client asked for, or says that it is one, or speaks HTTP/1.0 like nginx. */
static int is_first_try(const struct asked *a)
{
    static const char *const marks[] = {"Forwarded", "X-Forwarded-For", "X-Forwarded-Proto",
                                        "X-Real-IP", "Via"};
    const char *host =
        MHD_lookup_connection_value(a->to.connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_HOST);
    size_t i;

    if (!(a->server->opts.faces & SERVER_FIRST_TRY) || !a->framing->is_1_1 || !host)
        return 0;
    for (i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
        if (has(&a->to, marks[i]))
            return 0;
    return is_local(host);
}

int serve_admin(const struct asked *a, const char *path, const char *method)
{
    struct server *s = a->server;
    const struct answer_to *to = &a->to;
    const struct view *v = view_at(path);

    if (!job_is_get(method))
        return answer_method(to, method, "GET, HEAD");
    if (strcmp(path, "/healthz") == 0)
        return answer_bytes(to, 200, "text/plain; charset=utf-8", "ok\n", 3);
    if (strcmp(path, "/readyz") == 0)
        return answer_ready(s, to);
    if (v && ((s->opts.faces & SERVER_ADMIN) || is_first_try(a)))
        return answer_view(s, to, v);
    return not_found(to);
}
