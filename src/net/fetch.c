/* SPDX-License-Identifier: MIT */
/* fetch.c - one HTTP exchange, run by the network thread.
 *
 * A fetch has a reference for the caller, one for the network thread until done has run, and one
 * for a cancellation on its way. It also holds the net, so that a late fetch_cancel() finds an
 * inbox that refuses instead of freed memory.
 *
 * Each exchange has an easy handle of its own. One that is used again carries libcurl's store of
 * headers into the next exchange (7.88 writes into freed memory when an answer begins with a folded
 * line) and its count of resent requests (the sixth fails). A new one costs 1 us.
 *
 * Connections are kept by the CURLM, and what one may carry from an exchange to the next is bytes:
 * - those behind an answer end the connection, on_debug();
 * - those that come while it is idle end it, net.c, and once more just before it is used again,
 *   before_request();
 * - an answer whose head can be read in two ways ends it, head.h.
 *
 * A kept connection that ends before the first byte of an answer has perhaps been closed before it
 * saw the request: libcurl sends it again. It may do so once, on a new connection, and not at all
 * when the request may not be carried out twice (RFC 9110, 9.2.2).
 *
 * Not here: the event loop (net.c), which peer to ask and when to try another (peers). */
#include "net/fetch.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/inbox.h"
#include "base/mem.h"
#include "net/fetch_in.h"
#include "net/inflate.h"
#include "net/net.h"

enum {
    RESERVE_MAX = 1 << 20, /* memory given to an announced length before its bytes come */
    SECOND_FAMILY_MS = 200,
    IDLE_S = 45,     /* a connection unused for longer is not used again */
    LIFETIME_S = 300 /* nor one that is older */
};

static const struct error no_error;

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
static enum fetch_phase phase_of(const struct fetch *f)
{
    return f->sent ? FETCH_NO_ANSWER : FETCH_NOT_SENT;
}

/* A request that is sent again on a new connection was not seen on the old one, unless it may not
 * be carried out twice: then nobody knows. */
static enum fetch_phase phase_unconnected(const struct fetch *f)
{
    return f->repeatable ? FETCH_NOT_SENT : phase_of(f);
}

/* libcurl has a bound of its own for one line of a head, and reports it as lack of memory. */
static int is_long_line(const struct fetch *f, CURLcode code)
{
    return f->sent && f->head.part != HEAD_TRAILERS && !f->body.failed &&
           (code == CURLE_OUT_OF_MEMORY || code == 100); /* CURLE_TOO_LARGE of 8.6 */
}

static void judge_failure(struct fetch *f, CURLcode code)
{
    const char *text = *f->text ? f->text : curl_easy_strerror(code);

    if (code == CURLE_FILESIZE_EXCEEDED || f->body.failed == ERR_TOOBIG)
        fail(f, ERR_TOOBIG, FETCH_NO_ANSWER, "the answer's body is over %zu bytes", f->max_bytes);
    else if (is_long_line(f, code))
        fail(f, ERR_TOOBIG, FETCH_NO_ANSWER, "a header line of the answer is over 100 KB");
    else if (code == CURLE_OUT_OF_MEMORY || f->body.failed == ERR_NOMEM)
        fail(f, ERR_NOMEM, phase_of(f), "no memory for the exchange");
    else if (code == CURLE_OPERATION_TIMEDOUT) /* libcurl only keeps the time to connect */
        fail(f, ERR_TIMEOUT, phase_unconnected(f), "no connection within %ld ms", f->connect_ms);
    else if (code == CURLE_URL_MALFORMAT)
        fail(f, ERR_INVAL, FETCH_NOT_SENT, "url: %s", text);
    else if (code == CURLE_COULDNT_CONNECT)
        fail(f, ERR_PEER, phase_unconnected(f), "%s", text);
    else
        fail(f, ERR_PEER, phase_of(f), "%s", f->flaw ? f->flaw : text);
}

static void judge(struct fetch *f, CURLcode code)
{
    if (code) {
        judge_failure(f, code);
    } else if (f->head.part != HEAD_TRAILERS) {
        fail(f, ERR_PEER, FETCH_NO_ANSWER, "the answer ended within its headers (status %d)",
             f->head.status);
    } else if (f->inflate && !inflate_is_whole(f->inflate)) {
        fail(f, ERR_PEER, FETCH_NO_ANSWER, "the answer's compressed body is cut short");
    } else {
        f->phase = FETCH_ANSWERED;
        f->status = f->head.status;
    }
}

static void judge_ended(struct fetch *f, const struct error *why)
{
    if (why->code != ERR_TIMEOUT)
        fail(f, why->code, phase_of(f), "%s", why->msg);
    else if (f->sent)
        fail(f, ERR_TIMEOUT, FETCH_TIMED_OUT, "no whole answer within %ld ms", f->timeout_ms);
    else
        fail(f, ERR_TIMEOUT, FETCH_NOT_SENT, "no connection within %ld ms", f->timeout_ms);
}

/* The one place where done is called; the outcome is in f. */
static void finish(struct fetch *f)
{
    atomic_store(&f->ended, 1);
    f->done(f->ctx, f);
    if (f->transfer.curl)
        curl_easy_cleanup(f->transfer.curl);
    f->transfer.curl = NULL;
    fetch_unref(f);
}

/* The kept connection was none to be used, which was noticed before anything was sent on it. */
static void start_again(struct fetch *f)
{
    struct error e;

    f->stale = 0;
    curl_easy_setopt(f->transfer.curl, CURLOPT_FRESH_CONNECT, 1L);
    if (!net_add_again(&f->transfer, &e))
        return;
    fail(f, e.code, FETCH_NOT_SENT, "%s", e.msg);
    finish(f);
}

static void on_ended(struct transfer *t, CURLcode code, const struct error *why)
{
    struct fetch *f = list_entry(t, struct fetch, transfer);

    if (why) {
        judge_ended(f, why);
    } else if (f->stale) {
        start_again(f);
        return;
    } else {
        judge(f, code);
    }
    finish(f);
}

/* --- the connection --- */

/* CURLOPT_OPENSOCKETFUNCTION: one for each address that is tried. */
static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *addr)
{
    struct fetch *f = arg;

    (void)purpose;
    net_connecting(f->net, &f->transfer, (uint64_t)f->connect_ms);
    return net_open_socket(f->net, addr);
}

/* When both families have an address, libcurl tries the second beside the first after a while. */
static long second_family_ms(const struct fetch *f)
{
    long half = f->connect_ms / 2;

    return half < SECOND_FAMILY_MS ? (half > 1 ? half : 1) : SECOND_FAMILY_MS;
}

/* CURLOPT_PREREQFUNCTION: there is a connection, and the request is about to be sent. */
static int before_request(void *arg, char *ip, char *local_ip, int port, int local_port)
{
    struct fetch *f = arg;
    CURL *c = f->transfer.curl;
    long made = 0;

    (void)ip;
    (void)local_ip;
    (void)port;
    (void)local_port;
    net_connected(&f->transfer);
    if (f->sent && !f->repeatable) {
        f->flaw = "the connection ended before an answer came";
        return CURL_PREREQFUNC_ABORT;
    }
    curl_easy_getinfo(c, CURLINFO_NUM_CONNECTS, &made);
    if (!made && net_drop_speakers(f->net)) { /* perhaps this one: libcurl does not tell which */
        f->stale = 1;
        return CURL_PREREQFUNC_ABORT;
    }
    f->sent++;
    curl_easy_setopt(c, CURLOPT_FRESH_CONNECT, 1L); /* should libcurl send it again */
    return CURL_PREREQFUNC_OK;
}

/* CURLOPT_DEBUGFUNCTION, from the end of a head on whose answer has no body or comes in chunks:
 * libcurl 7.88 drops what it has read behind such an answer, says so here, and keeps the
 * connection. Newer ones close it, as all do behind a Content-Length. */
static int on_debug(CURL *c, curl_infotype type, char *text, size_t n, void *arg)
{
    static const char *const surplus[] = {"Excess found", "Leftovers after chunking"};
    size_t i, len;

    (void)arg;
    for (i = 0; type == CURLINFO_TEXT && i < sizeof(surplus) / sizeof(surplus[0]); i++) {
        len = strlen(surplus[i]);
        if (n >= len && !memcmp(text, surplus[i], len))
            curl_easy_setopt(c, CURLOPT_FORBID_REUSE, 1L);
    }
    return 0;
}

/* --- the answer --- */

/* Whether a line is the header that f->echo names, with another value. */
static int is_of_another(const struct fetch *f, const char *line, size_t n)
{
    size_t name = f->echo ? strcspn(f->echo, ":") + 1 : 0, value = name, end = n;

    if (!name || n < name || (line[0] | 0x20) != (f->echo[0] | 0x20) ||
        strncasecmp(line, f->echo, name) != 0)
        return 0;
    value += strspn(f->echo + name, " ");
    while (name < n && (line[name] == ' ' || line[name] == '\t'))
        name++;
    while (end > name && strchr(" \t\r\n", line[end - 1]))
        end--;
    return end - name != strlen(f->echo + value) ||
           memcmp(line + name, f->echo + value, end - name);
}

/* CURLOPT_HEADERFUNCTION: a line of the answer, status line and line end included. Giving up here
 * also closes the connection, so no byte beyond a doubtful end is read as another's answer. */
static size_t on_header(char *line, size_t one, size_t n, void *arg)
{
    struct fetch *f = arg;
    int in_head = f->head.part != HEAD_TRAILERS;

    (void)one;
    f->flaw = head_line(&f->head, line, n);
    if (!f->flaw && in_head && is_of_another(f, line, n))
        f->flaw = "an answer to another request";
    if (f->flaw)
        return 0;
    if (in_head && f->head.part == HEAD_TRAILERS && (f->head.chunked || !head_has_body(&f->head)))
        curl_easy_setopt(f->transfer.curl, CURLOPT_VERBOSE, 1L);
    return n;
}

/* An announced length is given its memory in one piece, to the byte: the body may be kept. */
static void reserve(struct fetch *f)
{
    uint64_t length = f->head.length;

    if (!length || length > RESERVE_MAX || length > f->max_bytes)
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

    if (f->head.status == 200)
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

/* Appends what compressed bytes of the body say. 0: they say nothing that may be used. */
static int decode(struct fetch *f, const char *bytes, size_t n)
{
    if (f->head.coding == HEAD_ENCODED) {
        f->flaw = "a Content-Encoding other than gzip or deflate";
        return 0;
    }
    if (!f->inflate)
        f->inflate = inflate_new(f->head.coding == HEAD_GZIP ? INFLATE_GZIP : INFLATE_DEFLATE);
    if (!f->inflate)
        f->body.failed = ERR_NOMEM;
    else
        f->flaw = inflate_put(f->inflate, bytes, n, &f->body);
    return !f->flaw && !f->body.failed;
}

/* CURLOPT_WRITEFUNCTION */
static size_t on_body(char *bytes, size_t one, size_t n, void *arg)
{
    struct fetch *f = arg;

    (void)one;
    if (f->decode && f->head.coding != HEAD_PLAIN)
        return decode(f, bytes, n) ? n : 0;
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
static CURLcode set_common(struct fetch *f)
{
    CURLcode rc = CURLE_OK;
    CURL *c = f->transfer.curl;

    SET(CURLOPT_PRIVATE, &f->transfer);
    SET(CURLOPT_ERRORBUFFER, f->text);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, f);
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_HEADERDATA, f);
    SET(CURLOPT_PREREQFUNCTION, before_request);
    SET(CURLOPT_PREREQDATA, f);
    SET(CURLOPT_DEBUGFUNCTION, on_debug);
    SET(CURLOPT_OPENSOCKETFUNCTION, open_socket);
    SET(CURLOPT_OPENSOCKETDATA, f);
    SET(CURLOPT_HAPPY_EYEBALLS_TIMEOUT_MS, second_family_ms(f));
    SET(CURLOPT_CLOSESOCKETFUNCTION, net_close_socket);
    SET(CURLOPT_CLOSESOCKETDATA, f->net);
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
    SET(CURLOPT_URL, f->url);
    SET(CURLOPT_HTTPHEADER, f->headers);
    SET(CURLOPT_CONNECTTIMEOUT_MS, f->connect_ms);
    SET(CURLOPT_MAXFILESIZE_LARGE,
        f->max_bytes < INT64_MAX && !f->data ? (curl_off_t)f->max_bytes : (curl_off_t)INT64_MAX);
    return rc ? rc : set_trust(c);
}

/* What only some exchanges have. */
static CURLcode set_special(struct fetch *f)
{
    CURLcode rc = CURLE_OK;
    CURL *c = f->transfer.curl;

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

#undef SET

static CURLcode make_handle(struct fetch *f)
{
    CURLcode rc;

    f->transfer.curl = curl_easy_init();
    if (!f->transfer.curl)
        return CURLE_OUT_OF_MEMORY;
    rc = set_common(f);
    return rc ? rc : set_special(f);
}

static void begin(struct msg *m)
{
    struct fetch *f = list_entry(m, struct fetch, begin);
    struct error e;
    CURLcode rc;

    if (net_stopping(f->net)) {
        fail(f, ERR_CLOSED, FETCH_NOT_SENT, "the node is stopping");
        finish(f);
        return;
    }
    rc = make_handle(f);
    if (rc)
        error_set(&e, rc == CURLE_OUT_OF_MEMORY ? ERR_NOMEM : ERR_PEER,
                  "the exchange could not start: %s", curl_easy_strerror(rc));
    else if (!net_add(f->net, &f->transfer, (uint64_t)f->timeout_ms, &e))
        return;
    fail(f, e.code, FETCH_NOT_SENT, "%s", e.msg);
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
    struct fetch *f = fetch_copy_opts(o, e);

    if (!f)
        return NULL;
    atomic_init(&f->refs, 2);
    atomic_init(&f->ended, 0);
    atomic_init(&f->cancelled, 0);
    f->begin.run = begin;
    f->cancel.run = cancel;
    f->transfer.ended = on_ended;
    list_init(&f->transfer.link);
    head_init(&f->head, f->kind == KIND_HEAD);
    buf_init(&f->body, f->data ? 0 : f->max_bytes);
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
    inflate_free(f->inflate);
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

int fetch_decoded(const struct fetch *f)
{
    return f->inflate != NULL;
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

    if (!f->transfer.curl || f->phase != FETCH_ANSWERED)
        return NULL;
    if (curl_easy_header(f->transfer.curl, name, 0, CURLH_HEADER, -1, &h))
        return NULL;
    return value_of(h);
}

void fetch_each_header(struct fetch *f, void (*fn)(void *arg, const char *name, const char *value),
                       void *arg)
{
    struct curl_header *h = NULL;

    if (!f->transfer.curl || f->phase != FETCH_ANSWERED)
        return;
    while ((h = curl_easy_nextheader(f->transfer.curl, CURLH_HEADER, -1, h)))
        fn(arg, h->name, value_of(h));
}
