/* SPDX-License-Identifier: MIT */
/* fetch.c - one HTTP exchange, run by the network thread.
 *
 * The caller has a reference to a fetch, the network thread has one until done has run, and a
 * cancellation on its way has one. A fetch also holds the net. So a late fetch_cancel() finds an
 * inbox that refuses messages, not freed memory.
 *
 * Each exchange has a new easy handle, which costs 1 us. A used handle carries libcurl's store of
 * headers into the next exchange. If an answer then begins with a folded line, 7.88 writes into
 * freed memory. It also carries the count of resent requests: the sixth fails.
 *
 * The CURLM keeps connections, and a connection may carry bytes from an exchange to the next:
 * - bytes behind an answer end the connection, on_debug();
 * - bytes that arrive on an idle connection end it: net.c, and before_request() just before its
 *   next use;
 * - an answer whose head can be read in two ways ends it, head.h.
 *
 * If a kept connection ends before the first byte of an answer, the other side perhaps never saw
 * the request: libcurl sends it again. It may do so once, on a new connection, and never if the
 * request may not be carried out twice (RFC 9110, 9.2.2).
 *
 * Not here: the event loop (net.c), which peer to ask and when to try another (peers). */
#include "net/fetch.h"

#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "base/inbox.h"
#include "base/mem.h"
#include "net/decoder.h"
#include "net/fetch_in.h"
#include "net/net.h"
#include "net/passport.h"
#include "net/reach.h"

enum {
    RESERVE_MAX =
        1 << 20, /* at most this is allocated for an announced length before its bytes arrive */
    BUFFER_MAX = 16 << 10, /* CURL_MAX_WRITE_SIZE */
    SPARE = 8 << 10,
    SECOND_FAMILY_MS = 200,
    IDLE_S = 45,     /* a connection that was idle for longer is not used again */
    LIFETIME_S = 300 /* nor an older connection */
};

static const struct error no_error;

/* --- the end --- */

/* Only here is done called; the outcome is in f. */
static void finish(struct fetch *f)
{
    atomic_store(&f->ended, 1);
    f->done(f->ctx, f);
    if (f->transfer.curl)
        curl_easy_cleanup(f->transfer.curl);
    f->transfer.curl = NULL;
    passport_unref(f->passport);
    f->passport = NULL;
    fetch_unref(f);
}

/* Before anything was sent on the kept connection, it was found unusable. */
static void start_again(struct fetch *f)
{
    struct error e;

    f->stale = 0;
    curl_easy_setopt(f->transfer.curl, CURLOPT_FRESH_CONNECT, 1L);
    if (!net_add_again(&f->transfer, &e))
        return;
    fetch_judge_fail(f, e.code, FETCH_NOT_SENT, "%s", e.msg);
    finish(f);
}

static void on_ended(struct transfer *t, CURLcode code, const struct error *why)
{
    struct fetch *f = list_entry(t, struct fetch, transfer);

    if (why) {
        fetch_judge_ended(f, why);
    } else if (f->stale) {
        start_again(f);
        return;
    } else {
        fetch_judge(f, code);
    }
    finish(f);
}

/* --- the connection --- */

static int may_reach(struct fetch *f, const struct address *a)
{
    if (!f->reach || reach_allows(f->reach, a))
        return 1;
    f->flaw = "its address is not public";
    return 0;
}

/* CURLOPT_OPENSOCKETFUNCTION: a socket for each address that is tried. */
static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *addr)
{
    struct fetch *f = arg;
    struct address a;
    curl_socket_t made;

    (void)purpose;
    if (f->reach && (!address_of(&addr->addr, &a) || !may_reach(f, &a)))
        return CURL_SOCKET_BAD;
    net_connecting(f->net, &f->transfer, (uint64_t)f->connect_ms);
    made = net_open_socket(f->net, addr);
    f->no_socket |= made == CURL_SOCKET_BAD;
    return made;
}

/* If both families have an address, libcurl tries the second while the first still connects. */
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
    struct address a;
    long made = 0;

    (void)local_ip;
    (void)port;
    (void)local_port;
    net_connected(&f->transfer);
    if (f->reach && (!address_parse(ip, strlen(ip), &a) || !may_reach(f, &a)))
        return CURL_PREREQFUNC_ABORT; /* a kept connection, made by another exchange */
    if (f->sent && !f->repeatable) {
        f->flaw = "the connection ended before an answer came";
        return CURL_PREREQFUNC_ABORT;
    }
    curl_easy_getinfo(c, CURLINFO_NUM_CONNECTS, &made);
    if (!made &&
        net_drop_speakers(f->net)) { /* perhaps this connection: libcurl does not tell which */
        f->stale = 1;
        return CURL_PREREQFUNC_ABORT;
    }
    f->sent++;
    curl_easy_setopt(c, CURLOPT_FRESH_CONNECT, 1L); /* in case libcurl sends it again */
    return CURL_PREREQFUNC_OK;
}

/* CURLOPT_DEBUGFUNCTION, from the end of the head on; for answers without a body or in chunks.
 * libcurl 7.88 drops the bytes that it has read behind such an answer, says so here, and keeps the
 * connection. Newer versions close it, as all versions do behind a Content-Length. */
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

/* Whether a line has the name of f->echo, with another value. */
static int is_of_another(const struct fetch *f, const char *line, size_t n)
{
    size_t at = f->echo_name, end = n;
    const char *value;

    if (!at || n < at || (line[0] | 0x20) != (f->echo[0] | 0x20) || line[at - 1] != ':' ||
        strncasecmp(line, f->echo, at) != 0)
        return 0;
    value = f->echo + at + strspn(f->echo + at, " ");
    while (at < n && (line[at] == ' ' || line[at] == '\t'))
        at++;
    while (end > at && strchr(" \t\r\n", line[end - 1]))
        end--;
    return end - at != strlen(value) || memcmp(line + at, value, end - at);
}

/* CURLOPT_HEADERFUNCTION: a line of the answer, status line and line end included. If the exchange
 * is given up here, libcurl closes the connection too. So no byte behind a doubtful end is read as
 * the answer to another request. */
static size_t on_header(char *line, size_t one, size_t n, void *arg)
{
    struct fetch *f = arg;
    enum head_part part = f->head.part;
    int in_head = part != HEAD_TRAILERS;

    (void)one;
    f->flaw = head_line(&f->head, line, n);
    if (!f->flaw && in_head && is_of_another(f, line, n))
        f->flaw = "an answer to another request";
    if (f->flaw)
        return 0;
    if (f->wants_interim)
        fetch_interim_line(f, part, line, n);
    if (f->any_coding && in_head && f->head.part == HEAD_TRAILERS && f->head.chunked)
        curl_easy_setopt(f->transfer.curl, CURLOPT_HTTP_TRANSFER_DECODING, 1L);
    if (in_head && f->head.part == HEAD_TRAILERS && f->heard)
        f->heard(f->ctx, f);
    if (in_head && f->head.part == HEAD_TRAILERS && (f->head.chunked || !head_has_body(&f->head)))
        curl_easy_setopt(f->transfer.curl, CURLOPT_VERBOSE, 1L);
    return n;
}

/* If the length is announced, the buffer has that size: the body may be kept. A large body first
 * has to arrive in part. It has spare room behind it, for those who make something of it in place.
 */
static void reserve(struct fetch *f)
{
    uint64_t length = f->head.length;

    if (!length || length > f->max_bytes)
        return;
    if (length > RESERVE_MAX)
        length = f->body.len + BUFFER_MAX > RESERVE_MAX ? length + SPARE : RESERVE_MAX;
    if (length <= f->body.cap)
        return;
    f->body.max = (size_t)length;
    buf_reserve(&f->body, (size_t)length - f->body.len);
    f->body.max = f->max_bytes;
}

/* Lets the caller take bytes of the body. libcurl hands over up to 16 KiB at once, which may exceed
 * the bound on the rest. 0: the caller gives up, or too much is left. */
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

/* Decodes bytes of the body and appends them. 0: they cannot be decoded. */
static int decode(struct fetch *f, const char *bytes, size_t n)
{
    if (!decoder_knows(f->head.coding)) {
        f->flaw = "a Content-Encoding other than gzip, deflate, br or zstd";
        return 0;
    }
    if (!f->decoder)
        f->decoder = decoder_new(f->head.coding);
    if (!f->decoder)
        f->body.failed = ERR_NOMEM;
    else
        f->flaw = decoder_put(f->decoder, bytes, n, &f->body);
    return !f->flaw && !f->body.failed;
}

/* CURLOPT_WRITEFUNCTION */
static size_t on_body(char *bytes, size_t one, size_t n, void *arg)
{
    struct fetch *f = arg;

    (void)one;
    if (f->decode && f->head.coding != HEAD_PLAIN)
        return decode(f, bytes, n) ? n : 0;
    if (f->body.len + n > f->body.cap && !f->data)
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

/* Debian's libcurl trusts a file and a directory of the same certificates. Without the directory
 * libcurl remembers what it has read. With it each new TLS connection reads them all again, which
 * blocks the thread for 20 ms. */
static CURLcode set_trust(CURL *c)
{
    CURLcode rc = CURLE_OK;

    if (net_trusts_file())
        SET(CURLOPT_CAPATH, NULL);
    return rc;
}

/* The options of every exchange. */
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
    SET(CURLOPT_QUICK_EXIT,
        1L); /* else an exchange that gives up on a name waits for its resolver thread */
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_PROXY, ""); /* libcurl must ignore http_proxy of the environment */
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
    SET(CURLOPT_DNS_CACHE_TIMEOUT, f->name_s);
    SET(CURLOPT_MAXFILESIZE_LARGE,
        f->max_bytes < INT64_MAX && !f->data ? (curl_off_t)f->max_bytes : (curl_off_t)INT64_MAX);
    return rc ? rc : set_trust(c);
}

/* The options of some exchanges only. */
static CURLcode set_special(struct fetch *f)
{
    CURLcode rc = CURLE_OK;
    CURL *c = f->transfer.curl;

    if (f->kind == KIND_HEAD) {
        SET(CURLOPT_NOBODY, 1L);
        SET(CURLOPT_MAXFILESIZE_LARGE,
            (curl_off_t)0); /* the length belongs to a body that is not sent */
    }
    if (f->kind == KIND_BODY) {
        SET(CURLOPT_POST, 1L);
        SET(CURLOPT_POSTFIELDS, (const char *)f->send);
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)f->send_len);
    }
    if (f->any_coding) { /* else libcurl fails for a coding unknown to it */
        SET(CURLOPT_HTTP_CONTENT_DECODING, 0L);
        SET(CURLOPT_HTTP_TRANSFER_DECODING, 0L); /* libcurl 8; on_header() has chunks decoded */
    }
    if (f->method)
        SET(CURLOPT_CUSTOMREQUEST, f->method);
    if (f->passport && !rc)
        rc = passport_show(f->passport, c);
    if (f->ca_file) {
        SET(CURLOPT_CAINFO_BLOB, NULL); /* that of the passport */
        SET(CURLOPT_CAINFO, f->ca_file);
        SET(CURLOPT_CAPATH, NULL); /* only these certificates, not also the system's */
    }
    if (f->proxy) {
        SET(CURLOPT_PROXY, f->proxy);
        SET(CURLOPT_NOPROXY, "");
        SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L); /* on_header() is for the answer alone */
    }
    if (f->cert_file) {
        SET(CURLOPT_SSLCERT, f->cert_file);
        SET(CURLOPT_SSLKEY, f->key_file);
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
    if (f->identity)
        f->passport = net_passport(f->net);
    rc = set_common(f);
    return rc ? rc : set_special(f);
}

static void begin(struct msg *m)
{
    struct fetch *f = list_entry(m, struct fetch, begin);
    struct error e;
    CURLcode rc;

    if (f->begun)
        f->begun(f->ctx, f);
    if (net_stopping(f->net)) {
        fetch_judge_fail(f, ERR_CLOSED, FETCH_NOT_SENT, "the node is stopping");
        finish(f);
        return;
    }
    rc = make_handle(f);
    if (rc)
        error_set(&e, rc == CURLE_OUT_OF_MEMORY ? ERR_NOMEM : ERR_PEER,
                  "the exchange could not start: %s", curl_easy_strerror(rc));
    else if (!net_add(f->net, f->lane, &f->transfer, (uint64_t)f->timeout_ms, &e))
        return;
    fetch_judge_fail(f, e.code, FETCH_NOT_SENT, "%s", e.msg);
    finish(f);
}

static void cancel(struct msg *m)
{
    struct fetch *f = list_entry(m, struct fetch, cancel);

    if (!atomic_load(&f->ended)) {
        net_remove(f->net, &f->transfer);
        fetch_judge_fail(f, ERR_CLOSED, fetch_judge_phase(f), "cancelled");
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
    f->head.any_coding = f->any_coding;
    buf_init(&f->body, f->data ? 0 : f->max_bytes);
    buf_init(&f->interim, 0);
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
    atomic_fetch_add(&f->refs, 1); /* the message's reference */
    if (!net_post(f->net, &f->cancel))
        fetch_unref(f); /* stopping: the exchange ends anyway */
}

void fetch_unref(struct fetch *f)
{
    if (!f || atomic_fetch_sub(&f->refs, 1) != 1)
        return;
    buf_deinit(&f->body);
    buf_deinit(&f->interim);
    decoder_free(f->decoder);
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

int fetch_unreached(const struct fetch *f)
{
    return f->unreached;
}

int fetch_was_sent(const struct fetch *f)
{
    return f->sent != 0;
}

int fetch_status(const struct fetch *f)
{
    return f->status;
}

int fetch_is_distrusted(const struct fetch *f)
{
    return f->distrusted;
}

struct buf *fetch_body(struct fetch *f)
{
    return &f->body;
}

int fetch_decoded(const struct fetch *f)
{
    return f->decoder != NULL;
}
