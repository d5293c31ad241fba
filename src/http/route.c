/* SPDX-License-Identifier: MIT */
/* route.c - finds the function that serves a path and method. */
#include <microhttpd.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/url.h"
#include "cache/group.h"
#include "cache/groups.h"
#include "http/access.h"
#include "http/doors.h"
#include "http/keying.h"
#include "http/server_in.h"

enum { SHORT_TARGET = 1024 /* decoded on the stack */ };

#define KEY_METHODS "GET, HEAD, PUT, DELETE"
#define GROUP_METHODS "POST, DELETE"

static int refuse_body(const struct asked *a)
{
    return job_refuse(a->server, a->to.connection, 400, ERR_INVAL,
                      "a request of this kind cannot have a body");
}

/* --- peers --- */

static int answer_text(const struct asked *a, int status, const char *text)
{
    struct error e;

    error_set(&e, ERR_INVAL, "%s", text);
    return answer_status(&a->to, status, &e);
}

/* A request about a key, by one of the dialect's verbs. */
static int serve_peer_key(struct asked *a, int verb)
{
    int body = a->framing->body;

    switch (verb) {
    case DIALECT_SET:
        return serve_peer_change_set(a);
    case DIALECT_REMOVE_KEYS:
        return dialect_is_remove_keys(&a->target) ? serve_peer_change_remove_keys(a)
                                                  : answer_text(a, 404, DIALECT_POST_TEXT);
    case DIALECT_REMOVE:
        return body ? refuse_body(a) : serve_peer_change_remove(a);
    default:
        return body && !dialect_facts(a->to.dialect)->get_may_have_body ? refuse_body(a)
                                                                        : serve_get(a);
    }
}

/* A node of ours asks whether this one lives, by a path without a group. Go's servers find a bad
 * request there. */
static int serve_peer_ready(const struct asked *a)
{
    const char *why = a->server->opts.not_ready(a->server->opts.ctx);

    return why ? answer_text(a, 503, why) : answer_done(&a->to);
}

/* No dialect has a POST without a key: it comes from one of our own nodes. */
static int serve_peer(struct asked *a, const char *method, enum dialect_parse parsed)
{
    int verb = dialect_verb(a->to.dialect, method);

    a->to.ours = a->framing->from;
    if (parsed == DIALECT_NO_KEY && strcmp(method, "POST") == 0) {
        a->to.ours = 1;
        return serve_peer_batch(a);
    }
    if (a->to.ours && parsed == DIALECT_OK)
        a->to.id = dialect_request_id(a->target.group, a->target.group_len, a->target.key,
                                      a->target.key_len);
    if (verb < 0)
        return answer_text(a, 405, DIALECT_METHODS_TEXT);
    if (parsed == DIALECT_OK)
        return serve_peer_key(a, verb);
    if (a->framing->body)
        return refuse_body(a);
    if (parsed == DIALECT_NO_KEY && a->to.ours && !a->target.group_len)
        return serve_peer_ready(a);
    return parsed == DIALECT_NO_KEY ? answer_text(a, 400, "bad request") : answer_unparsed(&a->to);
}

/* --- clients --- */

static int serve_client_key(struct asked *a, const char *method)
{
    int is_get = job_is_get(method);

    if (!is_get && strcmp(method, "PUT") == 0)
        return serve_change_set(a);
    if (a->framing->body)
        return refuse_body(a);
    a->to.head = is_get && method[0] == 'H';
    a->to.conditional = a->framing->conditional;
    if (is_get)
        return serve_get(a);
    if (strcmp(method, "DELETE") == 0)
        return serve_change_remove(a);
    return answer_method(&a->to, method, KEY_METHODS);
}

/* Headers that would change the meaning of a body, or make a change depend on the present value,
 * are not silently ignored. */
static int refuse_change(const struct asked *a)
{
    static const char *const conditions[] = {"If-Match", "If-None-Match", "If-Unmodified-Since"};
    struct MHD_Connection *c = a->to.connection;
    size_t i;

    if (a->framing->encoded)
        return job_refuse(a->server, c, 415, ERR_INVAL,
                          "Content-Encoding: a value is kept without its encoding");
    if (a->framing->partial)
        return job_refuse(a->server, c, 400, ERR_INVAL,
                          "Content-Range: a value cannot be set in parts");
    for (i = 0; i < sizeof(conditions) / sizeof(conditions[0]); i++)
        if (MHD_lookup_connection_value(c, MHD_HEADER_KIND, conditions[i]))
            return job_refuse(a->server, c, 412, ERR_INVAL,
                              "a change takes no conditions: another node may change the key at "
                              "the same time");
    return -1;
}

/* The group of a request that is no plain get, if it is an HTTP cache: a reference, or NULL. */
static struct group *find_web(const struct asked *a, const char *method, enum dialect_parse parsed)
{
    const struct dialect_target *t = &a->target;
    struct group *g;

    if (parsed != DIALECT_OK || (job_is_get(method) && !a->framing->body))
        return NULL; /* serve_get() finds it out */
    g = groups_find(a->server->opts.groups, t->group, t->group_len);
    if (g && group_http(g))
        return g;
    group_unref(g);
    return NULL;
}

static int serve_client(struct asked *a, const char *method, enum dialect_parse parsed)
{
    struct group *web = find_web(a, method, parsed);
    int refused;
    struct error e;

    if (web)
        return serve_web(a, web);
    refused = job_is_get(method) ? -1 : refuse_change(a);
    if (refused >= 0)
        return refused;
    if (parsed == DIALECT_OK)
        return serve_client_key(a, method);
    if (parsed == DIALECT_NO_KEY && strcmp(method, "POST") == 0)
        return serve_many(a);
    if (a->framing->body)
        return refuse_body(a);
    if (parsed == DIALECT_NO_KEY && strcmp(method, "DELETE") == 0)
        return serve_change_flush(a);
    if (parsed == DIALECT_NO_KEY && !job_is_get(method))
        return answer_method(&a->to, method, GROUP_METHODS);
    if (parsed == DIALECT_NO_KEY)
        error_set(&e, ERR_INVAL, "the path is not /cache/GROUP/KEY");
    else
        error_set(&e, ERR_INVAL, "the path has a raw control byte or a %% without two hex digits");
    return answer_error(&a->to, &e);
}

/* Whether a path is no key, since a function makes the key of it. */
static int is_asked_for(const struct asked *a)
{
    const struct dialect_target *t = &a->target;
    struct group *g =
        a->to.peer ? NULL : groups_find(a->server->opts.groups, t->group, t->group_len);
    int is = g && keying_function(group_keying(g));

    group_unref(g);
    return is;
}

/* The part of a raw target behind base_path or /cache/. */
static int serve_group(struct asked *a, const char *rest, const char *method)
{
    size_t n = strlen(rest), max = a->server->opts.max_key_bytes;
    char fixed[SHORT_TARGET], *scratch = n <= sizeof(fixed) ? fixed : mem_alloc(n);
    enum dialect_parse parsed;
    struct error e;
    int ok;

    if (!scratch) {
        error_set(&e, ERR_NOMEM, "no memory for a key");
        return answer_error(&a->to, &e);
    }
    parsed = dialect_parse(a->to.dialect, rest, n, scratch, &a->target);
    a->method = method;
    a->url = strchr(rest, '/');
    a->url_len = a->url ? n - (size_t)(a->url - rest) : 0;
    if (parsed == DIALECT_OK)
        access_note_key(a->target.key, a->target.key_len);
    if (parsed == DIALECT_OK && a->target.key_len > max && !is_asked_for(a)) {
        error_set(&e, ERR_INVAL, "the key has %zu bytes, max_key_bytes is %zu", a->target.key_len,
                  max);
        ok = answer_error(&a->to, &e);
    } else if (a->to.peer) {
        ok = serve_peer(a, method, parsed);
    } else {
        ok = serve_client(a, method, parsed);
    }
    if (scratch != fixed)
        mem_free(scratch);
    return ok;
}

/* --- all --- */

/* The path of a target in absolute form (RFC 9112 3.2.2), or the target itself. */
static const char *path_of(const char *target)
{
    const char *host, *path;

    if (*target == '/' || url_scheme(target, &host) != URL_HTTP)
        return target;
    path = strchr(host, '/');
    return path ? path : "/";
}

/* The group of a client's path if it takes the query as a part of the key: a reference, or NULL. */
static struct group *takes_query(const struct server *s, const char *rest)
{
    const char *slash = strchr(rest, '/');
    size_t n = slash ? (size_t)(slash + 1 - rest) : 0; /* of the group: the key may be long */
    char fixed[SHORT_TARGET];
    struct dialect_target t;
    struct group *g;

    if (!n || n > sizeof(fixed) || dialect_parse(s->opts.dialect, rest, n, fixed, &t) != DIALECT_OK)
        return NULL;
    g = groups_find(s->opts.groups, t.group, t.group_len);
    if (g && (group_http(g) || group_opts(g).query == QUERY_KEY))
        return g;
    group_unref(g);
    return NULL;
}

/* The path with what the group's rules leave of the query. If they leave nothing of a path that
 * ends with the group, the question mark stays: without it a change would be of the whole group. */
static void put_whole(struct buf *out, const struct group *g, const char *rest, const char *query)
{
    const char *slash = strchr(rest, '/');
    size_t n = strlen(rest);

    buf_puts(out, rest);
    keying_put_query(out, group_keying(g), query);
    if (out->len == n && slash && !slash[1])
        buf_puts(out, "?");
    buf_put(out, "", 1);
}

/* A path with a query. The group decides its meaning. If the query were ignored, two targets would
 * be one key, and a change of one key could be a change of the whole group. */
static int serve_query(struct asked *a, const char *rest, const struct request_line *line)
{
    struct group *g = a->to.peer ? NULL : takes_query(a->server, rest);
    struct buf whole;
    int ok;

    if (!g)
        return job_refuse(a->server, a->to.connection, 400, ERR_INVAL,
                          "the target has a query: a ? in a key is written %3F, and a group with "
                          "query = \"key\" takes the query for a part of its key");
    if (keying_function(group_keying(g))) {
        group_unref(g);
        a->query = line->query;
        return serve_group(a, rest, line->method);
    }
    buf_init(&whole, 0);
    put_whole(&whole, g, rest, line->query);
    group_unref(g);
    ok = whole.failed
             ? job_refuse(a->server, a->to.connection, 503, ERR_NOMEM, "no memory for a key")
             : serve_group(a, whole.data, line->method);
    buf_deinit(&whole);
    return ok;
}

static int serve_data(struct asked *a, const char *rest, const struct request_line *line)
{
    return line->query ? serve_query(a, rest, line) : serve_group(a, rest, line->method);
}

static int is_peers(const struct server *s, const char *path, size_t base)
{
    return (s->opts.faces & SERVER_PEERS) && !strncmp(path, s->opts.base_path, base);
}

int route_is_peers(const struct server *s, const char *target)
{
    return is_peers(s, path_of(target), strlen(s->opts.base_path));
}

int route_is_admin(const char *target)
{
    return serve_admin_is_path(path_of(target));
}

/* Whether a path belongs to the HTTP cache that is the front: all that no other face has. The
 * operators' page gives way to the site's. */
static int is_front(const struct server *s, const char *path)
{
    if (!s->opts.front || !(s->opts.faces & SERVER_CLIENTS) || *path != '/')
        return 0;
    if (strcmp(path, "/healthz") == 0 || strcmp(path, "/readyz") == 0)
        return 0;
    return !path[1] || !(s->opts.faces & SERVER_ADMIN) || !serve_admin_is_path(path);
}

static int serve_front(struct asked *a, const char *path, const struct request_line *line)
{
    const char *name = a->server->opts.front;
    struct group *g = groups_find(a->server->opts.groups, name, strlen(name));
    struct error e;
    struct buf url;
    int ok;

    if (!g || !group_http(g)) {
        group_unref(g);
        error_set(&e, ERR_NOTFOUND, "front: there is no HTTP cache with the name %s", name);
        return answer_error(&a->to, &e);
    }
    buf_init(&url, 0);
    buf_puts(&url, path);
    if (line->query) {
        buf_puts(&url, "?");
        buf_puts(&url, line->query);
    }
    a->method = line->method;
    a->url = url.failed ? "" : url.data;
    a->url_len = url.len;
    access_note_key(a->url, a->url_len);
    ok = serve_web(a, g);
    buf_deinit(&url);
    return ok;
}

static int serve_if_admitted(struct asked *a, const struct request_line *line, const char *path)
{
    struct request_line origin_form = *line;
    struct auth_claim claim;
    int ok;

    origin_form.target = path;
    a->to.ours = a->framing->from;
    if (!doors_admit_peer(a, &origin_form, &claim, &ok))
        return ok;
    return serve_data(a, path + strlen(a->server->opts.base_path), line);
}

int route(struct server *s, struct MHD_Connection *c, const struct request_line *line,
          const struct framing *f, void **con_cls)
{
    struct asked a = {.server = s, .framing = f, .early = line->early, .con_cls = con_cls};
    size_t base = strlen(s->opts.base_path), client = strlen(SERVER_CLIENT_PATH);
    const char *path = path_of(line->target);

    job_answer_to_init(&a.to, s, c, is_peers(s, path, base));
    a.to.close |= f->body; /* for an answer before the body */
    if (a.to.peer)
        return doors_ask_for_proof(s) ? serve_if_admitted(&a, line, path)
                                      : serve_data(&a, path + base, line);
    if ((s->opts.faces & SERVER_CLIENTS) && strncmp(path, SERVER_CLIENT_PATH, client) == 0)
        return serve_data(&a, path + client, line);
    if (is_front(s, path))
        return serve_front(&a, path, line);
    if (f->body)
        return refuse_body(&a);
    if (!doors_ask_for_proof(s))
        job_compare(&a, NULL); /* a node of another base_path */
    return serve_admin(&a, path, line->method);
}
