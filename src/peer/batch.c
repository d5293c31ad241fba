/* SPDX-License-Identifier: MIT */
/* batch.c - many loads at a node of ours, in one exchange (wire/batch.h).
 *
 * The owner sends each answer in a frame as soon as it is ready. A frame ends its load at once, so
 * a slow key delays no other key. If the exchange ends, a load without an answer ends like a single
 * load. If the peer refuses the batch, since it is no node of ours or has no room, the keys are
 * asked for one by one. So are the rest if a frame was malformed, perhaps due to one key. */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "cache/group.h"
#include "net/fetch.h"
#include "net/net.h"
#include "peer/peer_in.h"
#include "peer/sign.h"
#include "peer/stand_in.h"
#include "wire/batch.h"

struct batch {
    struct peer *peer; /* a reference */
    size_t n, left;
    size_t max_frame;
    int broken;     /* a frame was */
    int other_ring; /* the peer says so in the head of its answer */
    struct peer_call call;
    struct flight *flights[]; /* NULL: has ended */
};

/* --- the answer, on the network thread --- */

static struct flight *take(struct batch *b, uint64_t index)
{
    struct flight *f = index < b->n ? b->flights[index] : NULL;

    if (f) {
        b->flights[index] = NULL;
        b->left--;
    }
    return f;
}

static void give_error(struct batch *b, struct flight *f, const struct batch_answer *a)
{
    const int kept = a->code == ERR_NOTFOUND && a->has_ttl;
    const struct peer_failure e = {.code = a->code,
                                   .expires_ms = kept ? attempt_expiry_ms(f, 1, a->ttl_ms) : 0,
                                   .other_ring = b->other_ring,
                                   .text = a->message,
                                   .n = a->message_len};

    attempt_give_error(b->peer, f, &e);
}

static void take_answer(struct batch *b, struct flight *f, const struct batch_answer *a)
{
    struct peer_value v = {.bytes = a->value,
                           .n = a->value_len,
                           .age_s = a->age_s,
                           .stale = a->stale,
                           .other_ring = b->other_ring,
                           .minute_qps = a->minute_qps,
                           .extra = a->extra,
                           .extra_len = a->extra_len};

    if (a->value) {
        v.expires_ms = attempt_expiry_ms(f, a->has_ttl, a->ttl_ms);
        attempt_give(b->peer, f, &v);
    } else if (err_is_final(a->code)) {
        give_error(b, f, a);
    } else {
        char why[PEER_MESSAGE_BYTES];

        snprintf(why, sizeof(why), "%.*s", (int)a->message_len, a->message_len ? a->message : "");
        attempt_unusable(b->peer, f, why);
    }
}

static size_t batch_data(void *ctx, const char *bytes, size_t n)
{
    struct batch *b = ctx;
    size_t taken = 0;

    health_watch_heard(b->peer);

    for (;;) {
        struct batch_answer a;
        struct flight *f;
        struct error e;
        long frame = batch_get_answer(bytes + taken, n - taken, b->max_frame, &a, &e);

        if (frame == 0)
            return taken;
        f = frame > 0 ? take(b, a.index) : NULL;
        if (!f) {
            b->broken = 1;
            return FETCH_NO_MORE;
        }
        take_answer(b, f, &a);
        taken += (size_t)frame;
    }
}

static void batch_heard(void *ctx, struct fetch *f)
{
    struct batch *b = ctx;

    b->other_ring = fetch_header(f, HEADER_VIEW) != NULL;
    health_watch_heard(b->peer);
}

static void fail_rest(struct batch *b, struct fetch *fetch, const struct error *e)
{
    size_t i;

    for (i = 0; i < b->n; i++) {
        struct flight *f = take(b, i);

        if (f)
            attempt_failed(b->peer, f, fetch, e);
    }
}

static void get_rest(struct batch *b)
{
    size_t i;

    for (i = 0; i < b->n; i++) {
        struct flight *f = take(b, i);

        if (f)
            peer_get(peer_ref(b->peer), f);
    }
}

static void batch_done(void *ctx, struct fetch *fetch)
{
    const struct error *e = fetch_error(fetch);
    struct batch *b = ctx;
    struct error short_of;
    enum verdict verdict = VERDICT_NONE;
    int taken;

    contact_end(b->peer, fetch);
    if (!e->code)
        peer_recognise(b->peer, fetch);
    taken = fetch_status(fetch) == 200 && atomic_load(&b->peer->kind) == PEER_OURS;
    if (b->broken || (!e->code && !taken)) {
        get_rest(b);
    } else if (!e->code) {
        verdict = b->left ? VERDICT_BROKEN : VERDICT_ANSWER;
        error_set(&short_of, ERR_PEER, "%zu of %zu answers are missing", b->left, b->n);
        e = &short_of;
    }
    fail_rest(b, fetch, e);
    health_watch_end(&b->call, fetch, verdict);
    peer_unref(b->peer);
    mem_free(b);
}

/* --- the request --- */

enum err peer_batch_put_url(struct buf *out, const struct peer *peer, const struct group *g)
{
    const char *name = group_name(g);

    buf_puts(out, peer->url);
    buf_puts(out, peer->peers->opts.base_path);
    dialect_put_group(out, name, strlen(name));
    return buf_put(out, "", 1);
}

enum err peer_batch_put_echo(struct buf *out, const struct group *g, const struct buf *body)
{
    const char *name = group_name(g);

    return dialect_put_echo(out, dialect_request_id(name, strlen(name), body->data, body->len));
}

/* A line for each key, if any of them has a trace. */
static void put_traces(struct buf *out, enum batch_op op, struct flight *const *flights, size_t n)
{
    size_t i, traced = 0;

    buf_init(out, 0);
    for (i = 0; i < n && op == BATCH_GET; i++)
        traced += flights[i]->trace != NULL;
    for (i = 0; i < n && traced; i++)
        batch_put_trace(out, flights[i]->trace);
}

static enum err put_request(struct buf *out, enum batch_op op, struct flight *const *flights,
                            size_t n)
{
    struct batch_request r = {.op = op, .n_keys = n};
    struct buf traces;
    size_t i;

    r.keys = mem_zalloc(n * sizeof(*r.keys));
    for (i = 0; i < n; i++)
        r.keys[i] = (struct key){flights[i]->key, flights[i]->key_len};
    put_traces(&traces, op, flights, n);
    if (!traces.failed) {
        r.traces = traces.data;
        r.traces_len = traces.len;
    }
    batch_put(out, &r);
    buf_deinit(&traces);
    mem_free(r.keys);
    return out->failed;
}

struct fetch *peer_batch_send(struct peer *peer, enum batch_op op, struct flight *const *flights,
                              size_t n, struct fetch_opts *o, struct error *e)
{
    const char *headers[CONTACT_HEADERS + 1];
    char line[AGREE_LINE];
    struct group *g = flights[0]->group;
    struct buf url, body, echo, proof;
    struct fetch *f = NULL;

    buf_init(&url, 0);
    buf_init(&body, 0);
    buf_init(&echo, 0);
    buf_init(&proof, 0);
    o->lane = NET_PEERS;
    o->method = "POST";
    o->repeatable = 1;
    o->here = 1;
    o->flaw = "a malformed answer to a batch";
    contact_begin(peer, o, headers, line);
    stand_in_put(o, headers, flights, n);
    if (peer_batch_put_url(&url, peer, g) || put_request(&body, op, flights, n) ||
        peer_batch_put_echo(&echo, g, &body) ||
        sign_put(&proof, peer, o->method, url.data, body.data, body.len)) {
        error_set(e, ERR_NOMEM, "no memory for a request of %zu keys", n);
    } else {
        if (proof.len)
            headers[o->n_headers++] = proof.data;
        o->url = url.data;
        o->echo = echo.data;
        o->body = body.data;
        o->body_len = body.len;
        f = fetch_start(peer->peers->net, o, e);
    }
    buf_deinit(&url);
    buf_deinit(&body);
    buf_deinit(&echo);
    buf_deinit(&proof);
    return f;
}

/* The exchange may take as long as its longest load. */
static uint64_t longest_ms(const struct batch *b)
{
    uint64_t longest = 0;
    size_t i;

    for (i = 0; i < b->n; i++) {
        uint64_t left = attempt_left_ms(b->flights[i]);

        longest = left > longest ? left : longest;
    }
    return longest;
}

/* The bound on a value or an error's text. */
static size_t longest_frame(struct group *g)
{
    uint64_t max = group_opts(g).max_value_bytes;

    return (size_t)(max > ERROR_TEXT ? max : ERROR_TEXT) + BATCH_FRAME_OVERHEAD;
}

void peer_batch(struct peer *peer, struct list *flights, size_t n)
{
    struct batch *b = mem_zalloc(sizeof(*b) + n * sizeof(struct flight *));
    struct fetch_opts o = {.data = batch_data, .heard = batch_heard, .done = batch_done, .ctx = b};
    struct fetch *fetch;
    struct error e;
    struct list *l;
    size_t i;

    b->peer = peer_ref(peer);
    while ((l = list_pop_front(flights)))
        b->flights[b->n++] = list_entry(l, struct flight, queued);
    b->left = b->n;
    b->max_frame = longest_frame(b->flights[0]->group);
    b->call = (struct peer_call){.peer = peer, .flights = b->flights, .n = b->n};
    health_watch_begin(&b->call);
    atomic_fetch_add(&peer->batches, 1);
    o.timeout_ms = longest_ms(b);
    o.max_bytes = b->max_frame + PEER_ENVELOPE_BYTES;
    fetch = peer_batch_send(peer, BATCH_GET, b->flights, b->n, &o, &e);
    fetch_unref(fetch);
    if (fetch)
        return;
    for (i = 0; i < b->n; i++)
        attempt_not_sent(b->flights[i], &e);
    health_watch_drop(&b->call);
    peer_unref(peer);
    mem_free(b);
}
