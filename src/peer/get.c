/* SPDX-License-Identifier: MIT */
/* get.c - one load at a peer, by a GET that every server of the family accepts.
 *
 * The meaning of an answer, by dialect_word():
 *
 *   DIALECT_VALUE, protobuf, a value   the value
 *   DIALECT_LAST_WORD                  the owner's own error, told to every waiter: the getter must
 *                                      not run a second time here
 *   anything else, or no answer        the peer could not be used: our getter loads the key
 *   the load's time has expired        TIMEOUT: a slow getter at the owner is no reason to run ours
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "cache/group.h"
#include "net/fetch.h"
#include "net/request.h"
#include "peer/peer_in.h"
#include "peer/sign.h"
#include "wire/expire.h"
#include "wire/getresponse.h"

enum {
    REFUSAL_TEXT = 100,  /* bytes of a peer's error text that are passed on */
    LOG_EVERY_MS = 1000, /* at most one log line a peer in that time */
    MAX_PASSED = 32      /* headers of a request that are passed on to the owner, at most */
};

static const uint64_t MAX_TTL_MS = UINT32_MAX; /* a peer's time is cut to this: 49 days */

/* A load under way at a peer. */
struct exchange {
    struct peer *peer;     /* a reference */
    struct flight *flight; /* the loader's reference */
};

/* --- how it ends --- */

/* Logs the failure of a peer, at most once a second: a dead peer fails every load. */
static void log_failure(struct peer *peer, const struct flight *f, const char *why)
{
    uint64_t now = clock_ms() + 1, last = atomic_load(&peer->logged_ms);
    char quoted[320];

    if (last && now < last + LOG_EVERY_MS)
        return;
    if (atomic_compare_exchange_strong(&peer->logged_ms, &last, now))
        log_warn("peers", "peer could not be used, loading here", "peer=%s group=%s error=%s",
                 peer->url, group_name(f->group),
                 log_quote(quoted, sizeof(quoted), why, strlen(why)));
}

void peer_unusable(struct peer *peer, struct flight *f, const char *why)
{
    atomic_fetch_add(&peer->errors, 1);
    log_failure(peer, f, why);
    group_fallback(f);
}

/* Somebody must change a file, so it is said once, until an answer arrives or the list is set. */
static void distrust(struct peer *peer, struct flight *f, const char *why)
{
    char quoted[320];

    atomic_fetch_add(&peer->errors, 1);
    if (!atomic_exchange(&peer->distrusted, 1))
        log_error("peers", "peer cannot be used before a certificate is changed, loading here",
                  "peer=%s group=%s error=%s", peer->url, group_name(f->group),
                  log_quote(quoted, sizeof(quoted), why, strlen(why)));
    group_fallback(f);
}

void peer_give(struct peer *peer, struct flight *f, const struct peer_value *v)
{
    struct key_ref k = flight_key(f);
    struct result r = {.source = v->stale ? SOURCE_STALE : SOURCE_PEER,
                       .minute_qps = v->minute_qps};

    if (v->n > group_opts(f->group).max_value_bytes) {
        peer_unusable(peer, f, "the value exceeds max_value_bytes");
        return;
    }
    r.item = item_new(&k, v->bytes, v->n, v->expires_ms);
    if (!r.item) {
        group_finish_error(f, ERR_NOMEM, "no memory for a value of %zu bytes", v->n);
        return;
    }
    item_set_age(r.item, v->age_s);
    atomic_fetch_add(&peer->loads, 1);
    group_finish(f, &r);
    item_unref(r.item);
}

void peer_give_error(struct peer *peer, struct flight *f, enum err code, uint64_t expires_ms,
                     const char *text, size_t n)
{
    struct result r = {.expires_ms = expires_ms};

    if (n > PEER_MESSAGE_BYTES)
        n = PEER_MESSAGE_BYTES;
    error_set(&r.err, code, "%.*s", (int)n, n ? text : "");
    atomic_fetch_add(&peer->loads, 1);
    group_finish(f, &r);
}

void peer_failed(struct peer *peer, struct flight *f, struct fetch *fetch, const struct error *e)
{
    /* A load whose time expired while it waited for a connection has no time for our getter,
     * either. */
    int late = e->code == ERR_TIMEOUT &&
               (fetch_phase(fetch) == FETCH_TIMED_OUT || clock_ms() >= f->deadline_ms);

    if (e->code == ERR_CLOSED || late)
        group_finish_error(f, e->code, "%s", e->msg);
    else if (fetch_is_distrusted(fetch))
        distrust(peer, f, e->msg);
    else
        peer_unusable(peer, f, e->msg);
}

uint64_t peer_expiry_ms(const struct flight *f, int has_ttl, uint64_t ttl_ms)
{
    if (!has_ttl)
        return group_keep_expiry_ms(f->group);
    return clock_ms() + (ttl_ms < MAX_TTL_MS ? ttl_ms : MAX_TTL_MS);
}

void peer_recognise(struct peer *peer, struct fetch *f)
{
    enum peer_kind kind = fetch_header(f, HEADER_NODE) ? PEER_OURS : PEER_OTHER;

    if (atomic_load_explicit(&peer->kind, memory_order_relaxed) != kind)
        atomic_store(&peer->kind, kind);
    if (atomic_load_explicit(&peer->distrusted, memory_order_relaxed))
        atomic_store(&peer->distrusted, 0);
}

/* --- the answer --- */

/* Whether the dialect's own field gives the value's expiry. */
static int says_expiry(const struct peers *p, const struct getresponse *answer)
{
    return dialect_facts(p->opts.dialect)->expire_field && answer->expire_ns;
}

/* Whether the answer has that header. Text that is no number counts as 0: the waiters get such a
 * value, and it is not kept. */
static int header_number(struct fetch *f, const char *name, uint64_t *out)
{
    const char *text = fetch_header(f, name);

    if (text)
        num_parse_u64(text, strlen(text), UINT32_MAX, out);
    return text != NULL;
}

/* The value's expiry here: as long from now as at the owner, rather by our own header than by the
 * time of day. If the answer gives no expiry (from a Go node, or for a value without expiry), the
 * group's own ttl counts. */
static uint64_t expiry(const struct exchange *x, struct fetch *f, const struct getresponse *answer)
{
    uint64_t ttl_ms;

    if (header_number(f, HEADER_TTL, &ttl_ms))
        return peer_expiry_ms(x->flight, 1, ttl_ms);
    if (says_expiry(x->peer->peers, answer))
        return peer_expiry_ms(x->flight, 1, expire_left_ms(answer->expire_ns, clock_wall_ns()));
    return peer_expiry_ms(x->flight, 0, 0);
}

/* An expired value, in a dialect whose Go callers refuse such values. */
static int has_ended(const struct peers *p, struct fetch *f, const struct getresponse *answer)
{
    return dialect_facts(p->opts.dialect)->refuses_expired && says_expiry(p, answer) &&
           !fetch_header(f, HEADER_TTL) && expire_is_past(answer->expire_ns, clock_wall_ns());
}

static void take_value(struct exchange *x, struct fetch *f)
{
    struct buf *body = fetch_body(f);
    const char *type = fetch_header(f, "Content-Type");
    uint64_t age_s = 0;
    struct getresponse answer;
    struct error e;

    header_number(f, "Age", &age_s);
    if (!type || strncasecmp(type, DIALECT_CONTENT_TYPE, strlen(DIALECT_CONTENT_TYPE)) != 0) {
        peer_unusable(x->peer, x->flight, "the answer is no " DIALECT_CONTENT_TYPE);
    } else if (getresponse_decode(body->data, body->len, &answer, &e)) {
        peer_unusable(x->peer, x->flight, e.msg);
    } else if (has_ended(x->peer->peers, f, &answer)) {
        peer_unusable(x->peer, x->flight, "the value has expired already");
    } else {
        const struct peer_value v = {
            .bytes = answer.value,
            .n = answer.value_len,
            .expires_ms = expiry(x, f, &answer),
            .age_s = age_s,
            .stale = fetch_header(f, HEADER_STALE) != NULL,
            .minute_qps = answer.minute_qps,
        };

        peer_give(x->peer, x->flight, &v);
    }
}

/* The owner's error text: the body without the newlines around it, like in Go's callers. */
static void take_error(struct exchange *x, struct fetch *f, enum err code)
{
    struct buf *body = fetch_body(f);
    const char *text = body->data;
    size_t n = body->len;
    uint64_t ttl_ms, expires_ms = 0;

    while (n && text[n - 1] == '\n')
        n--;
    for (; n && *text == '\n'; n--)
        text++;
    if (code == ERR_NOTFOUND && header_number(f, HEADER_TTL, &ttl_ms))
        expires_ms = peer_expiry_ms(x->flight, 1, ttl_ms);
    peer_give_error(x->peer, x->flight, code, expires_ms, text, n);
}

void peer_get_first_line(struct fetch *f, char *out, size_t size)
{
    const struct buf *body = fetch_body(f);
    size_t n = body->len < size ? body->len : size - 1;

    snprintf(out, size, "%.*s", (int)n, n ? body->data : "");
    out[strcspn(out, "\r\n")] = '\0';
}

void peer_get_refusal(const struct peers *p, struct fetch *f, char *out, size_t size)
{
    const char *type = fetch_header(f, "Content-Type");
    int status = fetch_status(f);
    char text[REFUSAL_TEXT] = "";

    if (type && !strncasecmp(type, "text/plain", 10))
        peer_get_first_line(f, text, sizeof(text));
    if (status == 404 && !strstr(text, "no such group"))
        snprintf(out, size,
                 "status 404: %s%snothing is served at %s there: does its base_path differ?", text,
                 *text ? "; " : "", p->opts.base_path);
    else
        snprintf(out, size, "status %d%s%s", status, *text ? ": " : "", text);
}

static void take_answer(struct exchange *x, struct fetch *f)
{
    const struct buf *body = fetch_body(f);
    enum err code = ERR_OK;
    char why[PEER_MESSAGE_BYTES];

    peer_recognise(x->peer, f);
    switch (dialect_word(x->peer->peers->opts.dialect, fetch_status(f),
                         fetch_header(f, HEADER_CODE), body->data, body->len, &code)) {
    case DIALECT_VALUE:
        take_value(x, f);
        break;
    case DIALECT_LAST_WORD:
        take_error(x, f, code);
        break;
    default:
        peer_get_refusal(x->peer->peers, f, why, sizeof(why));
        peer_unusable(x->peer, x->flight, why);
        break;
    }
}

static void exchange_done(void *ctx, struct fetch *f)
{
    struct exchange *x = ctx;

    if (fetch_error(f)->code)
        peer_failed(x->peer, x->flight, f, fetch_error(f));
    else
        take_answer(x, f);
    peer_unref(x->peer);
    mem_free(x);
}

/* --- the request --- */

static enum err put_url(struct buf *url, const struct exchange *x)
{
    const char *group = group_name(x->flight->group);

    buf_puts(url, x->peer->url);
    buf_puts(url, x->peer->peers->opts.base_path);
    dialect_put_target(url, group, strlen(group), x->flight->key, x->flight->key_len);
    return buf_put(url, "", 1);
}

static uint64_t request_id(const struct flight *f)
{
    const char *group = group_name(f->group);

    return dialect_request_id(group, strlen(group), f->key, f->key_len);
}

/* The request's headers for the owner's getter, as header lines. Returns their number. */
static size_t put_passed(struct buf *out, const struct flight *f, const char **lines)
{
    const char *at = f->info, *end = f->info + f->info_len;
    size_t n = 0, i, offsets[MAX_PASSED];

    while (at < end && n < MAX_PASSED) {
        const char *value = at + strlen(at) + 1;

        if (*at) { /* the name of the asking node is not passed on */
            size_t from = out->len;

            buf_putf(out, "%s: %s", at, value);
            buf_put(out, "", 1);
            if (!out->failed && !request_check_header(out->data + from, 0, NULL))
                offsets[n++] = from;
            else
                out->len = from; /* too long for a request of ours */
        }
        at = value + strlen(value) + 1;
    }
    if (out->failed)
        return 0;
    for (i = 0; i < n; i++)
        lines[i] = out->data + offsets[i];
    return n;
}

uint64_t peer_left_ms(const struct flight *f)
{
    uint64_t now = clock_ms();

    return f->deadline_ms > now ? f->deadline_ms - now : 1;
}

void peer_get(struct peer *peer, struct flight *f)
{
    struct peers *p = peer->peers;
    const char *headers[MAX_PASSED + 2] = {p->from};
    struct exchange *x = mem_zalloc(sizeof(*x));
    struct fetch_opts o = {
        .headers = headers, .identity = 1, .here = 1, .done = exchange_done, .ctx = x};
    struct fetch *fetch = NULL;
    struct error e;
    struct buf url, passed, echo, proof;

    *x = (struct exchange){peer, f};
    buf_init(&url, 0);
    buf_init(&passed, 0);
    buf_init(&echo, 0);
    buf_init(&proof, 0);
    o.n_headers = 1 + put_passed(&passed, f, headers + 1);
    if (put_url(&url, x) || dialect_put_echo(&echo, request_id(f)) ||
        sign_put(&proof, peer, "GET", url.data, NULL, 0)) {
        error_set(&e, ERR_NOMEM, "no memory for a URL");
    } else {
        if (proof.len)
            headers[o.n_headers++] = proof.data;
        o.url = url.data;
        o.echo = echo.data;
        o.connect_timeout_ms = p->opts.connect_timeout_ms;
        o.timeout_ms = peer_left_ms(f);
        o.max_bytes = (size_t)group_opts(f->group).max_value_bytes + PEER_ENVELOPE_BYTES;
        fetch = fetch_start(p->net, &o, &e);
    }
    buf_deinit(&url);
    buf_deinit(&passed);
    buf_deinit(&echo);
    buf_deinit(&proof);
    fetch_unref(fetch);
    if (fetch)
        return;
    group_finish_error(f, e.code, "%s", e.msg);
    peer_unref(peer);
    mem_free(x);
}
