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
#include "base/traceparent.h"
#include "cache/group.h"
#include "net/fetch.h"
#include "net/request.h"
#include "peer/peer_in.h"
#include "peer/sign.h"
#include "peer/stand_in.h"
#include "wire/expire.h"
#include "wire/getresponse.h"

enum {
    REFUSAL_TEXT = 100, /* bytes of a peer's error text that are passed on */
    MAX_PASSED = 32,    /* headers of a request that are passed on to the owner, at most */
    TRACE_HEADERS = 2
};

/* A load under way at a peer. */
struct exchange {
    struct peer *peer;     /* a reference */
    struct flight *flight; /* the loader's reference */
    struct peer_call call;
};

/* --- the answer --- */

void peer_recognise(struct peer *peer, struct fetch *f)
{
    enum peer_kind kind = fetch_header(f, HEADER_NODE) ? PEER_OURS : PEER_OTHER;

    if (atomic_load_explicit(&peer->kind, memory_order_relaxed) != kind)
        atomic_store(&peer->kind, kind);
    if (atomic_load_explicit(&peer->distrusted, memory_order_relaxed))
        atomic_store(&peer->distrusted, 0);
}

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
        return attempt_expiry_ms(x->flight, 1, ttl_ms);
    if (says_expiry(x->peer->peers, answer))
        return attempt_expiry_ms(x->flight, 1, expire_left_ms(answer->expire_ns, clock_wall_ns()));
    return attempt_expiry_ms(x->flight, 0, 0);
}

/* An expired value, in a dialect whose Go callers refuse such values. */
static int has_ended(const struct peers *p, struct fetch *f, const struct getresponse *answer)
{
    return dialect_facts(p->opts.dialect)->refuses_expired && says_expiry(p, answer) &&
           !fetch_header(f, HEADER_TTL) && expire_is_past(answer->expire_ns, clock_wall_ns());
}

static enum verdict take_value(struct exchange *x, struct fetch *f)
{
    struct buf *body = fetch_body(f);
    const char *type = fetch_header(f, "Content-Type");
    uint64_t age_s = 0;
    struct getresponse answer;
    struct error e;

    header_number(f, "Age", &age_s);
    if (!type || strncasecmp(type, DIALECT_CONTENT_TYPE, strlen(DIALECT_CONTENT_TYPE)) != 0) {
        attempt_unusable(x->peer, x->flight, "the answer is no " DIALECT_CONTENT_TYPE);
        return VERDICT_BROKEN;
    } else if (getresponse_decode(body->data, body->len, &answer, &e)) {
        attempt_unusable(x->peer, x->flight, e.msg);
        return VERDICT_BROKEN;
    } else if (has_ended(x->peer->peers, f, &answer)) {
        attempt_unusable(x->peer, x->flight, "the value has expired already");
    } else {
        const struct peer_value v = {
            .bytes = answer.value,
            .n = answer.value_len,
            .expires_ms = expiry(x, f, &answer),
            .age_s = age_s,
            .stale = fetch_header(f, HEADER_STALE) != NULL,
            .other_ring = fetch_header(f, HEADER_VIEW) != NULL,
            .minute_qps = answer.minute_qps,
            .extra = answer.extra,
            .extra_len = answer.extra_len,
        };

        attempt_give(x->peer, x->flight, &v);
    }
    return VERDICT_ANSWER;
}

/* The owner's error text: the body without the newlines around it, like in Go's callers. */
static void take_error(struct exchange *x, struct fetch *f, enum err code)
{
    struct buf *body = fetch_body(f);
    struct peer_failure e = {.code = code,
                             .other_ring = fetch_header(f, HEADER_VIEW) != NULL,
                             .text = body->data,
                             .n = body->len};
    uint64_t ttl_ms;

    while (e.n && e.text[e.n - 1] == '\n')
        e.n--;
    for (; e.n && *e.text == '\n'; e.n--)
        e.text++;
    if (code == ERR_NOTFOUND && header_number(f, HEADER_TTL, &ttl_ms))
        e.expires_ms = attempt_expiry_ms(x->flight, 1, ttl_ms);
    attempt_give_error(x->peer, x->flight, &e);
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

/* Of an answer that is neither a value nor the owner's last word. A node of ours says by a code
 * that it is busy or stops. A Go node says by 500 also that its getter failed, and by 503 that its
 * list of peers differs. */
static enum verdict judge_refusal(struct fetch *f)
{
    int status = fetch_status(f);

    if (fetch_header(f, HEADER_CODE) || status < 500)
        return VERDICT_NONE;
    return status == 500 || status == 503 ? VERDICT_DOUBTFUL : VERDICT_BROKEN;
}

static enum verdict take_answer(struct exchange *x, struct fetch *f)
{
    const struct buf *body = fetch_body(f);
    enum err code = ERR_OK;
    char why[PEER_MESSAGE_BYTES];

    peer_recognise(x->peer, f);
    switch (dialect_word(x->peer->peers->opts.dialect, fetch_status(f),
                         fetch_header(f, HEADER_CODE), body->data, body->len, &code)) {
    case DIALECT_VALUE:
        return take_value(x, f);
    case DIALECT_LAST_WORD:
        take_error(x, f, code);
        return VERDICT_ANSWER;
    default:
        peer_get_refusal(x->peer->peers, f, why, sizeof(why));
        attempt_unusable(x->peer, x->flight, why);
        return judge_refusal(f);
    }
}

static void exchange_done(void *ctx, struct fetch *f)
{
    struct exchange *x = ctx;
    enum verdict verdict = VERDICT_NONE;

    contact_end(x->peer, f);
    if (fetch_error(f)->code)
        attempt_failed(x->peer, x->flight, f, fetch_error(f));
    else
        verdict = take_answer(x, f);
    health_watch_end(&x->call, f, verdict);
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

        /* The name of the asking node is not passed on, and a trace in a way of its own. */
        if (*at && !(f->trace && traceparent_is_header(at, strlen(at)))) {
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

/* The same for the trace that the load belongs to. */
static size_t put_trace(char lines[TRACEPARENT_LINES], const struct flight *f, const char **list)
{
    int i, n = f->trace ? traceparent_put_headers(f->trace, lines) : 0;

    for (i = 0; i < n; i++, lines += strlen(lines) + 1)
        list[i] = lines;
    return (size_t)n;
}

void peer_get(struct peer *peer, struct flight *f)
{
    struct peers *p = peer->peers;
    const char *headers[MAX_PASSED + TRACE_HEADERS + CONTACT_HEADERS + 1];
    char line[AGREE_LINE], trace[TRACEPARENT_LINES];
    struct exchange *x = mem_zalloc(sizeof(*x));
    struct fetch_opts o = {.lane = NET_PEERS, .here = 1, .done = exchange_done, .ctx = x};
    struct fetch *fetch = NULL;
    struct error e;
    struct buf url, passed, echo, proof;

    *x = (struct exchange){peer, f, {.peer = peer, .flights = &x->flight, .n = 1}};
    buf_init(&url, 0);
    buf_init(&passed, 0);
    buf_init(&echo, 0);
    buf_init(&proof, 0);
    contact_begin(peer, &o, headers, line);
    stand_in_put(&o, headers, &f, 1);
    o.n_headers += put_passed(&passed, f, headers + o.n_headers);
    o.n_headers += put_trace(trace, f, headers + o.n_headers);
    health_watch_begin(&x->call);
    if (put_url(&url, x) || dialect_put_echo(&echo, request_id(f)) ||
        sign_put(&proof, peer, "GET", url.data, NULL, 0)) {
        error_set(&e, ERR_NOMEM, "no memory for a URL");
    } else {
        if (proof.len)
            headers[o.n_headers++] = proof.data;
        o.url = url.data;
        o.echo = echo.data;
        o.timeout_ms = attempt_left_ms(f);
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
    health_watch_drop(&x->call);
    attempt_not_sent(f, &e);
    peer_unref(peer);
    mem_free(x);
}
