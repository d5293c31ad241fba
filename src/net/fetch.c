/* SPDX-License-Identifier: MIT */
/* fetch.c - one HTTP exchange: checked and copied by the caller's thread, run by the network's.
 *
 * A fetch is one allocation: the struct, the list of its header lines, then all bytes. It has a
 * reference for the caller, one for the network thread until done has run, and one for a
 * cancellation on its way. It also holds the net, so that a late fetch_cancel() finds an inbox
 * that refuses instead of freed memory.
 *
 * Handles come from the net's pool. What is the same for all exchanges is set once per handle;
 * begin() sets the rest every time, so a handle that did a plain GET goes back as it is.
 *
 * libcurl takes the last of several Content-Lengths, and an answer cut off within its headers for
 * an empty one. We are stricter, since where an answer ends decides what is cached and whose bytes
 * come next on that connection: see on_header().
 *
 * Not here: the event loop (net.c), which peer to ask and when to try another (peers). */
#include "net/fetch.h"

#include <ctype.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/inbox.h"
#include "base/mem.h"
#include "net/net.h"
#include "net/net_curl.h"

enum {
    DEFAULT_CONNECT_MS = 1000,
    DEFAULT_TIMEOUT_MS = 5000,
    DEFAULT_MAX_BYTES = 8 << 20,
    MAX_HEAD_BYTES = 256 << 10,
    RESERVE_MAX = 1 << 20, /* memory given to an announced length before its bytes come */
    IDLE_S = 45,           /* a connection unused for longer is not used again */
    LIFETIME_S = 300       /* nor one that is older */
};

/* How the exchange is put to libcurl. */
enum kind { KIND_GET, KIND_HEAD, KIND_BODY };

struct fetch {
    atomic_uint refs;
    atomic_int ended;     /* done is about to run, or has */
    atomic_int cancelled; /* a cancellation is on its way, or was */
    struct net *net;      /* a reference */
    struct msg begin, cancel;
    size_t (*data)(void *ctx, const char *bytes, size_t n);
    void (*done)(void *ctx, struct fetch *f);
    void *ctx;

    /* set before the start */
    enum kind kind;
    const char *url, *method, *ca_file; /* in the fetch; method is NULL when kind says it */
    const char *host;                   /* in url, host_len bytes, with the port */
    int host_len;
    const void *send;
    size_t send_len;
    struct curl_slist *headers;
    long connect_ms, timeout_ms;
    size_t max_bytes;
    int insecure;
    const char *data_flaw; /* a literal */

    /* the network thread's */
    struct transfer transfer;
    int headed;        /* the answer's header block has come to its end */
    int lengths;       /* Content-Length lines of the answer so far */
    uint64_t length;   /* the first one's value */
    const char *flaw;  /* why we gave the answer up, NULL when we did not */
    size_t head_bytes; /* of headers and trailers; libcurl bounds only the former */
    struct buf body;
    enum fetch_phase phase;
    int status;
    struct error error;
};

static const struct error no_error;

/* --- checks, on the caller's thread --- */

static int is_token_byte(unsigned char c)
{
    return c < 0x80 && (isalnum(c) || (c && strchr("!#$%&'*+-.^_`|~", c)));
}

static size_t token_len(const char *s)
{
    size_t n = 0;

    while (is_token_byte((unsigned char)s[n]))
        n++;
    return n;
}

static enum err check_method(const char *method, int has_body, struct error *e)
{
    size_t n = token_len(method);

    if (!n || method[n])
        return error_set(e, ERR_INVAL, "method: not an HTTP method name");
    if (has_body && !strcmp(method, "HEAD"))
        return error_set(e, ERR_INVAL, "method: HEAD cannot carry a body");
    return ERR_OK;
}

static enum err check_url(const char *url, struct error *e)
{
    size_t i, scheme;

    if (!strncasecmp(url, "http://", 7))
        scheme = 7;
    else if (!strncasecmp(url, "https://", 8))
        scheme = 8;
    else
        return error_set(e, ERR_INVAL, "url: neither http:// nor https://");
    for (i = scheme; url[i]; i++)
        if ((unsigned char)url[i] <= ' ' || url[i] == 0x7f)
            return error_set(e, ERR_INVAL, "url: a space or control byte at position %zu", i + 1);
    if (!url[scheme] || strchr("/?#", url[scheme]))
        return error_set(e, ERR_INVAL, "url: no host");
    return ERR_OK;
}

static int same_name(const char *line, size_t name_len, const char *name)
{
    return name_len == strlen(name) && !strncasecmp(line, name, name_len);
}

static enum err check_header(const char *line, size_t at, struct error *e)
{
    size_t n = token_len(line), i;

    if (!n || line[n] != ':')
        return error_set(e, ERR_INVAL, "header %zu: not a \"Name: value\" line", at + 1);
    for (i = n; line[i]; i++)
        if (((unsigned char)line[i] < ' ' && line[i] != '\t') || line[i] == 0x7f)
            return error_set(e, ERR_INVAL, "header %.*s: a control byte in its value",
                             (int)(n < 80 ? n : 80), line);
    /* These say where the request ends, which is for the code that sends the body. */
    if (same_name(line, n, "Content-Length") || same_name(line, n, "Transfer-Encoding"))
        return error_set(e, ERR_INVAL, "header %.*s: it is set from the body", (int)n, line);
    return ERR_OK;
}

int fetch_takes_header(const char *line)
{
    return check_header(line, 0, NULL) == ERR_OK;
}

static enum err check(const struct fetch_opts *o, struct error *e)
{
    enum err err = check_url(o->url, e);
    size_t i;

    if (!err && o->method)
        err = check_method(o->method, o->body != NULL, e);
    for (i = 0; !err && i < o->n_headers; i++)
        err = check_header(o->headers[i], i, e);
    return err;
}

/* --- the copy --- */

/* Header lines libcurl adds by itself; an empty value keeps them off. What the caller has set
 * stands before them and wins. The last two are only added to a body. */
static char no_accept[] = "Accept:", no_type[] = "Content-Type:", no_expect[] = "Expect:";
static char *const unwanted[] = {no_accept, no_type, no_expect};

enum { N_UNWANTED = sizeof(unwanted) / sizeof(unwanted[0]), N_UNWANTED_BARE = 1 };

static const char *method_of(const struct fetch_opts *o)
{
    return o->method ? o->method : "GET";
}

static enum kind kind_of(const struct fetch_opts *o)
{
    const char *m = method_of(o);

    if (!strcmp(m, "HEAD"))
        return KIND_HEAD;
    /* These say Content-Length: 0 when they have no body, for servers that insist on a length. */
    if (o->body || !strcmp(m, "PUT") || !strcmp(m, "POST") || !strcmp(m, "PATCH"))
        return KIND_BODY;
    return KIND_GET;
}

static size_t list_size(const struct fetch_opts *o)
{
    return (o->n_headers + N_UNWANTED) * sizeof(struct curl_slist);
}

static size_t copy_size(const struct fetch_opts *o)
{
    size_t i, n = sizeof(struct fetch) + list_size(o) + strlen(o->url) + 1;

    n += strlen(method_of(o)) + 1;
    if (o->ca_file)
        n += strlen(o->ca_file) + 1;
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

/* libcurl reads "Name:" as an order to send no such header, and "Name;" as one to send it empty. */
static char *copy_header(char **at, const char *line)
{
    char *out = copy_string(at, line);
    size_t n = token_len(out);

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

/* The host and port, for messages: what may stand before them is a password. */
static void find_host(struct fetch *f)
{
    const char *p = strstr(f->url, "://") + 3;
    const char *end = p + strcspn(p, "/?#"), *at;

    for (at = p; at < end; at++)
        if (*at == '@')
            p = at + 1;
    f->host = p;
    f->host_len = end - p < 100 ? (int)(end - p) : 100;
}

static long limit_ms(uint64_t ms, uint64_t otherwise)
{
    if (!ms)
        ms = otherwise;
    return ms < INT_MAX ? (long)ms : INT_MAX; /* as much as libcurl takes */
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
    f->send_len = o->body ? o->body_len : 0;
    f->send = copy(&at, o->body, f->send_len);
    f->connect_ms = limit_ms(o->connect_timeout_ms, DEFAULT_CONNECT_MS);
    f->timeout_ms = limit_ms(o->timeout_ms, DEFAULT_TIMEOUT_MS);
    f->max_bytes = o->max_bytes ? o->max_bytes : DEFAULT_MAX_BYTES;
    f->insecure = o->insecure;
    f->data = o->data;
    f->data_flaw = o->flaw;
    f->done = o->done;
    f->ctx = o->ctx;
    buf_init(&f->body, f->data ? 0 : f->max_bytes);
}

/* --- the end --- */

static void fail(struct fetch *f, enum err code, enum fetch_phase phase, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

static void fail(struct fetch *f, enum err code, enum fetch_phase phase, const char *fmt, ...)
{
    char text[ERROR_TEXT];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    error_set(&f->error, code, "%.*s: %s", f->host_len, f->host, text);
    f->phase = phase;
    f->status = 0;
    buf_deinit(&f->body); /* a part of an answer is of no use, and may be large */
}

/* Whether the request had a connection to go out on, made for it or reused. */
static int was_sent(struct fetch *f)
{
    curl_off_t us = 0;

    if (f->transfer.easy)
        curl_easy_getinfo(f->transfer.easy->curl, CURLINFO_PRETRANSFER_TIME_T, &us);
    return us > 0;
}

static enum fetch_phase phase_of(struct fetch *f)
{
    return was_sent(f) ? FETCH_NO_ANSWER : FETCH_NOT_SENT;
}

static void judge_failure(struct fetch *f, CURLcode code)
{
    const char *text = f->transfer.easy->text;

    if (!*text)
        text = curl_easy_strerror(code);
    if (code == CURLE_FILESIZE_EXCEEDED || f->body.failed == ERR_TOOBIG)
        fail(f, ERR_TOOBIG, FETCH_NO_ANSWER, "the answer's body is over %zu bytes", f->max_bytes);
    else if (code == CURLE_OUT_OF_MEMORY || f->body.failed == ERR_NOMEM)
        fail(f, ERR_NOMEM, phase_of(f), "no memory for the exchange");
    else if (code == CURLE_OPERATION_TIMEDOUT) /* libcurl only keeps the time to connect */
        fail(f, ERR_TIMEOUT, FETCH_NOT_SENT, "no connection within %ld ms", f->connect_ms);
    else if (code == CURLE_URL_MALFORMAT)
        fail(f, ERR_INVAL, FETCH_NOT_SENT, "url: %s", text);
    else if (code == CURLE_COULDNT_CONNECT) /* whatever a dead connection before it was sent */
        fail(f, ERR_PEER, FETCH_NOT_SENT, "%s", text);
    else
        fail(f, ERR_PEER, phase_of(f), "%s", f->flaw ? f->flaw : text);
}

static void judge(struct fetch *f, CURLcode code)
{
    long status = 0;

    if (code) {
        judge_failure(f, code);
        return;
    }
    curl_easy_getinfo(f->transfer.easy->curl, CURLINFO_RESPONSE_CODE, &status);
    if (!f->headed || status < 200 || status > 999) {
        fail(f, ERR_PEER, FETCH_NO_ANSWER, "the answer ended within its headers (status %ld)",
             status);
        return;
    }
    f->phase = FETCH_ANSWERED;
    f->status = (int)status;
}

static void judge_ended(struct fetch *f, const struct error *why)
{
    if (why->code != ERR_TIMEOUT)
        fail(f, why->code, phase_of(f), "%s", why->msg);
    else if (was_sent(f))
        fail(f, ERR_TIMEOUT, FETCH_TIMED_OUT, "no whole answer within %ld ms", f->timeout_ms);
    else
        fail(f, ERR_TIMEOUT, FETCH_NOT_SENT, "no connection within %ld ms", f->timeout_ms);
}

/* The one place where done is called; the outcome is in f. */
static void finish(struct fetch *f)
{
    int plain = f->kind == KIND_GET && !f->method && !f->ca_file && !f->insecure;

    atomic_store(&f->ended, 1);
    f->done(f->ctx, f);
    net_easy_put(f->net, f->transfer.easy, plain);
    f->transfer.easy = NULL;
    fetch_unref(f);
}

static void on_ended(struct transfer *t, CURLcode code, const struct error *why)
{
    struct fetch *f = list_entry(t, struct fetch, transfer);

    if (why)
        judge_ended(f, why);
    else
        judge(f, code);
    finish(f);
}

/* --- the answer --- */

static struct fetch *fetch_of(const struct easy *ez)
{
    return list_entry(ez->transfer, struct fetch, transfer);
}

/* A number and nothing else; 0 when it is not. Overflow is libcurl's to refuse. */
static int parse_length(const char *s, const char *end, uint64_t *out)
{
    uint64_t v = 0;
    const char *p;

    while (s < end && (*s == ' ' || *s == '\t'))
        s++;
    while (end > s && strchr(" \t\r\n", end[-1]))
        end--;
    for (p = s; p < end && *p >= '0' && *p <= '9'; p++)
        v = v * 10 + (uint64_t)(*p - '0');
    *out = v;
    return p == end && end > s;
}

static const char *check_length(struct fetch *f, const char *value, const char *end)
{
    uint64_t v;

    if (!parse_length(value, end, &v))
        return "a Content-Length that is no number";
    if (f->lengths++ && v != f->length)
        return "two different Content-Lengths";
    f->length = v;
    return NULL;
}

/* CURLOPT_HEADERFUNCTION: a line of the answer, status line and line end included. Giving up here
 * also closes the connection, so no byte beyond a doubtful end is read as another's answer. */
static size_t on_header(char *line, size_t one, size_t n, void *arg)
{
    static const char name[] = "Content-Length:";
    const size_t name_len = sizeof(name) - 1;
    struct fetch *f = fetch_of(arg);

    (void)one;
    f->head_bytes += n;
    if (f->head_bytes > MAX_HEAD_BYTES)
        f->flaw = "its headers or trailers have no end";
    else if (n > name_len && (line[0] | 0x20) == 'c' && !strncasecmp(line, name, name_len))
        f->flaw = check_length(f, line + name_len, line + n);
    else if (n > 5 && !memcmp(line, "HTTP/", 5))
        f->headed = f->lengths = 0; /* an answer after a 1xx counts for itself */
    else if (n <= 2)
        f->headed = 1; /* the empty line */
    return f->flaw ? 0 : n;
}

/* An announced length is given its memory in one piece, to the byte: the body may be kept. */
static void reserve(struct fetch *f)
{
    curl_off_t length = -1;

    curl_easy_getinfo(f->transfer.easy->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    if (length <= 0 || length > RESERVE_MAX || (uint64_t)length > f->max_bytes)
        return;
    f->body.max = (size_t)length;
    buf_reserve(&f->body, (size_t)length);
    f->body.max = f->max_bytes;
}

/* Lets the caller take what has come. What libcurl brings at once, 16 KiB at most, may be more than
 * may be left. 0: it gives up, or too much is left. */
static int hand_over(struct fetch *f)
{
    struct buf *b = &f->body;
    size_t taken = 0;
    long status = 0;

    curl_easy_getinfo(f->transfer.easy->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status == 200)
        taken = f->data(f->ctx, b->data, b->len);
    if (taken == FETCH_NO_MORE) {
        f->flaw = f->data_flaw;
        return 0;
    }
    b->len -= taken;
    memmove(b->data, b->data + taken, b->len);
    if (b->len > f->max_bytes)
        b->failed = ERR_TOOBIG;
    return !b->failed;
}

/* CURLOPT_WRITEFUNCTION */
static size_t on_body(char *bytes, size_t one, size_t n, void *arg)
{
    struct fetch *f = fetch_of(arg);

    (void)one;
    if (!f->body.cap && !f->data)
        reserve(f);
    if (buf_put(&f->body, bytes, n))
        return 0;
    return f->data && !hand_over(f) ? 0 : n;
}

/* --- the start, on the network thread --- */

#define SET(option, value)                                                                         \
    do {                                                                                           \
        if (!rc)                                                                                   \
            rc = curl_easy_setopt(c, option, value);                                               \
    } while (0)

/* Debian's libcurl trusts a file and a directory of the same certificates. It remembers what it
 * has read when there is no directory; else each new TLS connection reads them all again, and the
 * thread stands still for 20 ms. */
static CURLcode set_trust(CURL *c)
{
    CURLcode rc = CURLE_OK;

    if (curl_version_info(CURLVERSION_NOW)->cainfo)
        SET(CURLOPT_CAPATH, NULL);
    return rc;
}

/* What every exchange has in common. */
static CURLcode set_common(struct net *n, struct easy *ez)
{
    CURLcode rc = CURLE_OK;
    CURL *c = ez->curl;

    SET(CURLOPT_PRIVATE, ez);
    SET(CURLOPT_ERRORBUFFER, ez->text);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, ez);
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_HEADERDATA, ez);
    SET(CURLOPT_OPENSOCKETFUNCTION, net_open_socket);
    SET(CURLOPT_OPENSOCKETDATA, n);
    SET(CURLOPT_CLOSESOCKETFUNCTION, net_close_socket);
    SET(CURLOPT_CLOSESOCKETDATA, n);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_QUICK_EXIT, 1L); /* else giving up on a name waits for its resolver thread */
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_PROXY, ""); /* the environment's http_proxy is not for us */
    SET(CURLOPT_NOPROXY, "*");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_PATH_AS_IS, 1L);
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    SET(CURLOPT_TCP_NODELAY, 1L);
    SET(CURLOPT_MAXAGE_CONN, (long)IDLE_S);
    SET(CURLOPT_MAXLIFETIME_CONN, (long)LIFETIME_S);
    if (!rc)
        rc = set_trust(c);
    ez->fresh = rc != CURLE_OK;
    return rc;
}

/* What only some exchanges have: the handle is reset after these. */
static CURLcode set_special(CURL *c, const struct fetch *f)
{
    CURLcode rc = CURLE_OK;

    if (f->kind == KIND_HEAD) {
        SET(CURLOPT_NOBODY, 1L);
        SET(CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)0); /* the length is of a body that stays away */
    }
    if (f->kind == KIND_BODY) {
        SET(CURLOPT_POST, 1L);
        SET(CURLOPT_POSTFIELDS, (const char *)f->send);
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)f->send_len);
    }
    if (f->method)
        SET(CURLOPT_CUSTOMREQUEST, f->method);
    if (f->ca_file) {
        SET(CURLOPT_CAINFO, f->ca_file);
        SET(CURLOPT_CAPATH, NULL); /* these and not the system's besides */
    }
    if (f->insecure) {
        SET(CURLOPT_SSL_VERIFYPEER, 0L);
        SET(CURLOPT_SSL_VERIFYHOST, 0L);
    }
    return rc;
}

static CURLcode set_up(struct fetch *f, struct easy *ez)
{
    CURL *c = ez->curl;
    CURLcode rc = ez->fresh ? set_common(f->net, ez) : CURLE_OK;

    ez->text[0] = '\0';
    SET(CURLOPT_URL, f->url);
    SET(CURLOPT_HTTPHEADER, f->headers);
    SET(CURLOPT_CONNECTTIMEOUT_MS, f->connect_ms);
    SET(CURLOPT_MAXFILESIZE_LARGE,
        f->max_bytes < INT64_MAX && !f->data ? (curl_off_t)f->max_bytes : (curl_off_t)INT64_MAX);
    return rc ? rc : set_special(c, f);
}

#undef SET

static void begin(struct msg *m)
{
    struct fetch *f = list_entry(m, struct fetch, begin);
    struct easy *ez = NULL;
    struct error e;
    CURLcode rc;

    if (net_stopping(f->net)) {
        fail(f, ERR_CLOSED, FETCH_NOT_SENT, "the node is stopping");
        goto over;
    }
    ez = net_easy_get(f->net);
    rc = ez ? set_up(f, ez) : CURLE_OUT_OF_MEMORY;
    if (rc) {
        fail(f, rc == CURLE_OUT_OF_MEMORY ? ERR_NOMEM : ERR_PEER, FETCH_NOT_SENT,
             "the exchange could not start: %s", curl_easy_strerror(rc));
        goto over;
    }
    f->transfer.easy = ez;
    if (!net_add(f->net, &f->transfer, (uint64_t)f->timeout_ms, &e))
        return;
    f->transfer.easy = NULL;
    fail(f, e.code, FETCH_NOT_SENT, "%s", e.msg);
over:
    net_easy_put(f->net, ez, 0);
    finish(f);
}

static void cancel(struct msg *m)
{
    struct fetch *f = list_entry(m, struct fetch, cancel);

    if (!atomic_load(&f->ended)) {
        net_remove(f->net, &f->transfer);
        fail(f, ERR_CLOSED, phase_of(f), "cancelled");
        finish(f);
    }
    fetch_unref(f);
}

/* --- the public functions --- */

struct fetch *fetch_start(struct net *n, const struct fetch_opts *o, struct error *e)
{
    struct fetch *f;

    if (check(o, e))
        return NULL;
    f = mem_alloc(copy_size(o));
    if (!f) {
        error_set(e, ERR_NOMEM, "no memory for an HTTP request");
        return NULL;
    }
    memset(f, 0, sizeof(*f));
    atomic_init(&f->refs, 2);
    atomic_init(&f->ended, 0);
    atomic_init(&f->cancelled, 0);
    f->begin.run = begin;
    f->cancel.run = cancel;
    f->transfer.ended = on_ended;
    list_init(&f->transfer.link);
    copy_opts(f, o);
    net_ref(n);
    f->net = n;
    if (o->here) {
        begin(&f->begin);
        return f;
    }
    if (net_post(n, &f->begin))
        return f;
    net_unref(n);
    mem_free(f);
    error_set(e, ERR_CLOSED, "the node is stopping");
    return NULL;
}

void fetch_cancel(struct fetch *f)
{
    if (atomic_load(&f->ended) || atomic_exchange(&f->cancelled, 1))
        return;
    atomic_fetch_add(&f->refs, 1); /* the message's */
    if (!net_post(f->net, &f->cancel))
        fetch_unref(f); /* stopping: it ends anyway */
}

void fetch_unref(struct fetch *f)
{
    if (!f || atomic_fetch_sub(&f->refs, 1) != 1)
        return;
    buf_deinit(&f->body);
    net_unref(f->net);
    mem_free(f);
}

const struct error *fetch_error(const struct fetch *f)
{
    return f->phase == FETCH_ANSWERED ? &no_error : &f->error;
}

enum fetch_phase fetch_phase(const struct fetch *f)
{
    return f->phase;
}

int fetch_status(const struct fetch *f)
{
    return f->status;
}

struct buf *fetch_body(struct fetch *f)
{
    return &f->body;
}

/* libcurl takes the line's end for the value of an empty header. */
static const char *value_of(const struct curl_header *h)
{
    return h->value + strspn(h->value, "\r\n");
}

/* CURLH_HEADER of the last answer: neither a 1xx before it nor trailers. */
const char *fetch_header(struct fetch *f, const char *name)
{
    struct curl_header *h;

    if (!f->transfer.easy || f->phase != FETCH_ANSWERED)
        return NULL;
    if (curl_easy_header(f->transfer.easy->curl, name, 0, CURLH_HEADER, -1, &h))
        return NULL;
    return value_of(h);
}

void fetch_each_header(struct fetch *f, void (*fn)(void *arg, const char *name, const char *value),
                       void *arg)
{
    struct curl_header *h = NULL;

    if (!f->transfer.easy || f->phase != FETCH_ANSWERED)
        return;
    while ((h = curl_easy_nextheader(f->transfer.easy->curl, CURLH_HEADER, -1, h)))
        fn(arg, h->name, value_of(h));
}
