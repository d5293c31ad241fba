/* SPDX-License-Identifier: MIT */
/* fetch_copy.c - the caller's thread checks and copies the options of an exchange.
 *
 * A fetch is one allocation: the struct, the list of its header lines, then all bytes. */
#include <limits.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/token.h"
#include "base/url.h"
#include "net/fetch_in.h"
#include "net/request.h"

enum {
    DEFAULT_CONNECT_MS = 1000,
    DEFAULT_TIMEOUT_MS = 5000,
    DEFAULT_MAX_BYTES = 8 << 20,
    NAME_S = 60,
    MAX_HEAD = 512 << 10 /* libcurl makes no head of more than 1 MB, and calls it lack of memory */
};

static enum err check(const struct fetch_opts *o, struct error *e)
{
    enum err err = request_check_url(o->url, e);
    size_t i, n = strlen(o->url);

    if (!err && o->method)
        err = request_check_method(o->method, o->body != NULL, e);
    for (i = 0; !err && i < o->n_headers; i++) {
        err = request_check_header(o->headers[i], i, e);
        n += strlen(o->headers[i]);
    }
    if (!err && n > MAX_HEAD)
        err = error_set(e, ERR_INVAL, "the url and the headers have %zu bytes, and may have %d", n,
                        MAX_HEAD);
    return err;
}

/* Header lines that libcurl adds by itself; an empty value keeps them off. The caller's headers
 * stand before them and win. libcurl adds the last two only to a body. */
static char no_accept[] = "Accept:", no_type[] = "Content-Type:", no_expect[] = "Expect:";
static char *const unwanted[] = {no_accept, no_type, no_expect};

enum { N_UNWANTED = sizeof(unwanted) / sizeof(unwanted[0]), N_UNWANTED_BARE = 1 };

static const char *method_of(const struct fetch_opts *o)
{
    return o->method ? o->method : "GET";
}

static enum fetch_kind kind_of(const struct fetch_opts *o)
{
    const char *m = method_of(o);

    if (!strcmp(m, "HEAD"))
        return KIND_HEAD;
    /* Without a body these methods say Content-Length: 0, for servers that insist on a length. */
    if (o->body || !strcmp(m, "PUT") || !strcmp(m, "POST") || !strcmp(m, "PATCH"))
        return KIND_BODY;
    return KIND_GET;
}

static size_t list_size(const struct fetch_opts *o)
{
    return (o->n_headers + N_UNWANTED) * sizeof(struct curl_slist);
}

static size_t text_size(const char *s)
{
    return s ? strlen(s) + 1 : 0;
}

static size_t copy_size(const struct fetch_opts *o)
{
    size_t i, n = sizeof(struct fetch) + list_size(o) + strlen(o->url) + 1;

    n += strlen(method_of(o)) + 1;
    n += text_size(o->ca_file) + text_size(o->echo) + text_size(o->reach);
    n += text_size(o->proxy) + text_size(o->cert_file) + text_size(o->key_file);
    for (i = 0; i < o->n_headers; i++)
        n += strlen(o->headers[i]) + 1;
    return o->body ? n + o->body_len : n;
}

static char *copy(char **at, const void *bytes, size_t n)
{
    char *out = *at;

    if (n)
        memcpy(out, bytes, n);
    *at += n;
    return out;
}

static char *copy_string(char **at, const char *s)
{
    return copy(at, s, strlen(s) + 1);
}

/* libcurl reads "Name:" as an order to omit the header, and "Name;" as an order to send it empty.
 */
static char *copy_header(char **at, const char *line)
{
    char *out = copy_string(at, line);
    size_t n = token_len(out, strlen(out));

    if (!out[n + 1 + strspn(out + n + 1, " \t")]) {
        out[n] = ';';
        out[n + 1] = '\0';
    }
    return out;
}

static void copy_headers(struct fetch *f, char **at, const struct fetch_opts *o)
{
    struct curl_slist *node = (struct curl_slist *)(void *)(f + 1);
    struct curl_slist **end = &f->headers;
    size_t i, n_unwanted = f->kind == KIND_BODY ? N_UNWANTED : N_UNWANTED_BARE;

    for (i = 0; i < o->n_headers; i++, node++) {
        node->data = copy_header(at, o->headers[i]);
        *end = node;
        end = &node->next;
    }
    for (i = 0; i < n_unwanted; i++, node++) {
        node->data = unwanted[i];
        *end = node;
        end = &node->next;
    }
    *end = NULL;
}

/* Where the host ends. A password with a slash that is not escaped ends like a port: so a port is
 * left out if it is no number, or if an '@' follows in the URL. */
static const char *host_end(const char *host, const char *end)
{
    const char *colon = *host == '[' ? memchr(host, ']', (size_t)(end - host)) : host;
    size_t digits;

    colon = colon ? memchr(colon, ':', (size_t)(end - colon)) : NULL;
    if (!colon)
        return end;
    digits = strspn(colon + 1, "0123456789");
    return colon + 1 + digits == end && !strchr(end, '@') ? end : colon;
}

/* The host and port, for messages. A password may stand before them. */
static void find_host(struct fetch *f)
{
    const char *p = url_without_scheme(f->url);
    const char *end = p + strcspn(p, "/?#"), *at;

    for (at = p; at < end; at++)
        if (*at == '@')
            p = at + 1;
    end = host_end(p, end);
    f->host = p;
    f->host_len = end - p < 100 ? (int)(end - p) : 100;
}

static long limit_ms(uint64_t ms, uint64_t otherwise)
{
    if (!ms)
        ms = otherwise;
    return ms < INT_MAX ? (long)ms : INT_MAX; /* libcurl's limit */
}

static void copy_opts(struct fetch *f, const struct fetch_opts *o)
{
    char *at = (char *)(f + 1) + list_size(o);

    f->kind = kind_of(o);
    copy_headers(f, &at, o);
    f->url = copy_string(&at, o->url);
    find_host(f);
    if (f->kind == KIND_BODY || (f->kind == KIND_GET && strcmp(method_of(o), "GET") != 0))
        f->method = copy_string(&at, method_of(o));
    if (o->ca_file)
        f->ca_file = copy_string(&at, o->ca_file);
    if (o->echo) {
        f->echo = copy_string(&at, o->echo);
        f->echo_name = strcspn(f->echo, ":") + 1;
    }
    if (o->reach)
        f->reach = copy_string(&at, o->reach);
    if (o->proxy)
        f->proxy = copy_string(&at, o->proxy);
    if (o->cert_file && o->key_file) {
        f->cert_file = copy_string(&at, o->cert_file);
        f->key_file = copy_string(&at, o->key_file);
    }
    f->send_len = o->body ? o->body_len : 0;
    f->send = copy(&at, o->body, f->send_len);
    f->connect_ms = limit_ms(o->connect_timeout_ms, DEFAULT_CONNECT_MS);
    f->timeout_ms = limit_ms(o->timeout_ms, DEFAULT_TIMEOUT_MS);
    f->name_s = o->name_ms ? limit_ms(o->name_ms, 0) / 1000 : NAME_S;
    f->max_bytes = o->max_bytes ? o->max_bytes : DEFAULT_MAX_BYTES;
    f->decode = o->decode;
    f->any_coding = o->any_coding;
    f->wants_interim = o->interim;
    f->insecure = o->insecure;
    f->identity = o->identity && strncasecmp(o->url, "https:", 6) == 0;
    f->repeatable = o->repeatable || request_is_idempotent(method_of(o));
    f->lane = o->lane;
    f->data = o->data;
    f->begun = o->begun;
    f->heard = o->heard;
    f->data_flaw = o->flaw;
    f->done = o->done;
    f->ctx = o->ctx;
}

struct fetch *fetch_copy_opts(const struct fetch_opts *o, struct error *e)
{
    struct fetch *f;

    if (check(o, e))
        return NULL;
    f = mem_alloc(copy_size(o));
    if (!f) {
        error_set(e, ERR_NOMEM, "no memory for an HTTP request");
        return NULL;
    }
    memset(f, 0, offsetof(struct fetch, listed));
    copy_opts(f, o);
    return f;
}
