/* SPDX-License-Identifier: MIT */
/* serve_admin.c - the paths of operators: whether the node lives, whether it is ready, its
 * counters. */
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

static int answer_stats(struct server *s, const struct answer_to *to)
{
    struct buf out;
    int ok;

    buf_init(&out, 0);
    s->opts.stats(s->opts.ctx, &out);
    ok = answer_buf(to, 200, "application/json", &out);
    buf_deinit(&out);
    return ok;
}

static int not_found(const struct answer_to *to)
{
    struct error e;

    error_set(&e, ERR_NOTFOUND, "there is nothing at this path");
    return answer_status(to, 404, &e);
}

int serve_admin(struct server *s, const struct answer_to *to, const char *path, const char *method)
{
    if (!job_is_get(method))
        return answer_method(to, method, "GET, HEAD");
    if (strcmp(path, "/healthz") == 0)
        return answer_bytes(to, 200, "text/plain; charset=utf-8", "ok\n", 3);
    if (strcmp(path, "/readyz") == 0)
        return answer_ready(s, to);
    if ((s->opts.faces & SERVER_ADMIN) && strcmp(path, "/stats") == 0)
        return answer_stats(s, to);
    return not_found(to);
}
