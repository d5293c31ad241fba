/* SPDX-License-Identifier: MIT */
/* serve_admin.c - the paths of operators: whether the node lives, whether it is ready, its
 * figures, its page. */
#include <microhttpd.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/address.h"
#include "base/buf.h"
#include "base/mem.h"
#include "http/page.h"
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
    {"/recent", "application/json", SERVER_VIEW_RECENT},
};

#define KEY_PATH "/explain/"

/* The page may load nothing but what these views give, and be in no frame. */
#define PAGE_POLICY                                                                                \
    "default-src 'none'; connect-src 'self'; script-src 'nonce-%s'; style-src 'nonce-%s'; "        \
    "img-src data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

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
    return !strcmp(path, "/healthz") || !strcmp(path, "/readyz") || !strcmp(path, "/") ||
           !strncmp(path, KEY_PATH, strlen(KEY_PATH)) || view_at(path);
}

static int answer_shown(struct server *s, const struct answer_to *to, const struct view *v,
                        const struct dialect_target *t)
{
    struct buf out;
    int ok;

    buf_init(&out, 0);
    s->opts.show(s->opts.ctx, v->what, t, &out);
    ok = answer_buf(to, 200, v->type, &out);
    buf_deinit(&out);
    return ok;
}

/* `rest` is GROUP/KEY as it stands in the target. */
static int answer_key(struct server *s, const struct answer_to *to, const char *rest)
{
    static const struct view view = {KEY_PATH, "application/json", SERVER_VIEW_KEY};
    size_t n = strlen(rest);
    char *scratch = mem_alloc(n + 1);
    struct dialect_target t;
    struct error e;
    int ok;

    if (!scratch)
        error_set(&e, ERR_NOMEM, "no memory for a key");
    else if (dialect_parse(s->opts.dialect, rest, n, scratch, &t) != DIALECT_OK)
        error_set(&e, ERR_INVAL, "the path is not " KEY_PATH "GROUP/KEY");
    else
        e.code = ERR_OK;
    ok = e.code ? answer_error(to, &e) : answer_shown(s, to, &view, &t);
    mem_free(scratch);
    return ok;
}

/* Copies the page with a nonce in its places. */
static void put_page(struct buf *out, const char *nonce)
{
    const char *at = page_html, *next;

    for (; (next = strstr(at, PAGE_NONCE)); at = next + strlen(PAGE_NONCE)) {
        buf_put(out, at, (size_t)(next - at));
        buf_puts(out, nonce);
    }
    buf_puts(out, at);
}

static int answer_page(const struct answer_to *to)
{
    unsigned char random[16];
    char nonce[2 * sizeof(random) + 1], policy[400], *bytes;
    struct MHD_Response *r;
    struct error e;
    struct buf out;
    size_t i, n;

    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
        error_set(&e, ERR_NOMEM, "no random bytes for the page");
        return answer_error(to, &e);
    }
    for (i = 0; i < sizeof(random); i++)
        snprintf(nonce + 2 * i, 3, "%02x", random[i]);
    snprintf(policy, sizeof(policy), PAGE_POLICY, nonce, nonce);
    buf_init(&out, 0);
    put_page(&out, nonce);
    if (out.failed)
        return answer_buf(to, 200, NULL, &out);
    bytes = buf_take(&out, &n);
    r = answer_response(to, NULL, bytes, bytes, n, !to->head, &e);
    if (!r)
        return answer_error(to, &e);
    MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, "text/html; charset=utf-8");
    MHD_add_response_header(r, "Content-Security-Policy", policy);
    MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
    MHD_add_response_header(r, "Referrer-Policy", "no-referrer");
    MHD_add_response_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    return answer_queue(to, 200, r);
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

/* Whether a Host is an address of this machine, or a name without a dot: no site has such a name.
 */
static int is_local(const char *host)
{
    static const char v6[] = "[::1]";
    size_t n = strcspn(host, ":"), v6_len = sizeof(v6) - 1;
    struct address a;

    if (strncmp(host, v6, v6_len) == 0)
        return host[v6_len] == '\0' || host[v6_len] == ':';
    if (address_parse(host, n, &a)) /* of IPv4, since there is no colon in it */
        return a.bytes[sizeof(a.bytes) - 4] == 127;
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

/* A page of another site may make its own name lead to 127.0.0.1, and its script could then read
 * what only this machine may see. The browser sends that name as the Host. */
static int is_rebound(const struct asked *a)
{
    const char *host =
        MHD_lookup_connection_value(a->to.connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_HOST);

    return address_is_loopback(a->server->opts.address) && host && !is_local(host);
}

static int answer_rebound(const struct answer_to *to)
{
    struct error e;

    error_set(&e, ERR_INVAL,
              "the Host is none of 127.0.0.0/8, [::1] and names without a dot: a loopback address "
              "shows this only to the machine itself");
    return answer_status(to, 403, &e);
}

/* `v` is what is shown at the path, or NULL: the page or a key. */
static int serve_view(const struct asked *a, const char *path, const struct view *v)
{
    const struct answer_to *to = &a->to;

    if (is_rebound(a))
        return answer_rebound(to);
    if (v)
        return answer_shown(a->server, to, v, NULL);
    if (strcmp(path, "/") == 0)
        return answer_page(to);
    return answer_key(a->server, to, path + strlen(KEY_PATH));
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
    if (!(s->opts.faces & SERVER_ADMIN) && !is_first_try(a))
        return not_found(to);
    if (v || !strcmp(path, "/") || !strncmp(path, KEY_PATH, strlen(KEY_PATH)))
        return serve_view(a, path, v);
    return not_found(to);
}
