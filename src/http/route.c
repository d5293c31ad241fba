/* SPDX-License-Identifier: MIT */
/* route.c - which path and method is served by what. */
#include <microhttpd.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/url.h"
#include "http/server_in.h"

enum { SHORT_TARGET = 1024 /* decoded on the stack */ };

#define CLIENT_PATH "/cache/"
#define KEY_METHODS "GET, HEAD, PUT, DELETE"
#define GROUP_METHODS "POST, DELETE"

static int refuse_body(const struct asked *a)
{
    return job_refuse(a->server, a->to.connection, 400, ERR_INVAL,
                      "no request of this kind has a body");
}

/* --- peers --- */

static int answer_text(const struct asked *a, int status, const char *text)
{
    struct error e;

    error_set(&e, ERR_INVAL, "%s", text);
    return answer_status(&a->to, status, &e);
}

/* A key, by one of the dialect's verbs. */
static int serve_peer_key(const struct asked *a, int verb)
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

/* A POST without a key, which no dialect has, is one of our own nodes'. */
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
    return parsed == DIALECT_NO_KEY ? answer_text(a, 400, "bad request") : answer_unparsed(&a->to);
}

/* --- clients --- */

static int serve_client_key(struct asked *a, const char *method)
{
    if (strcmp(method, "PUT") == 0)
        return serve_change_set(a);
    if (a->framing->body)
        return refuse_body(a);
    a->to.head = strcmp(method, "HEAD") == 0;
    a->to.conditional = a->framing->conditional;
    if (job_is_get(method))
        return serve_get(a);
    if (strcmp(method, "DELETE") == 0)
        return serve_change_remove(a);
    return answer_method(&a->to, method, KEY_METHODS);
}

static int serve_client(struct asked *a, const char *method, enum dialect_parse parsed)
{
    struct error e;

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

/* The rest of a raw target behind base_path or /cache/. */
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
    if (parsed == DIALECT_OK && a->target.key_len > max) {
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

int route(struct server *s, struct MHD_Connection *c, const char *target, const char *method,
          const struct framing *f, void **con_cls)
{
    struct asked a = {.server = s, .framing = f, .con_cls = con_cls};
    size_t base = strlen(s->opts.base_path), client = strlen(CLIENT_PATH);
    const char *path = path_of(target);
    int data = (s->opts.faces & SERVER_DATA) != 0;

    job_answer_to_init(&a.to, s, c, data && strncmp(path, s->opts.base_path, base) == 0);
    a.to.close |= f->body; /* for an answer before the body has come */
    if (a.to.peer)
        return serve_group(&a, path + base, method);
    if (data && strncmp(path, CLIENT_PATH, client) == 0)
        return serve_group(&a, path + client, method);
    if (f->body)
        return refuse_body(&a);
    return serve_admin(s, &a.to, path, method);
}
