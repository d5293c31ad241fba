/* SPDX-License-Identifier: MIT */
/* tell.c - tells a node that keys have changed.
 *
 * The node is first told by a batch (wire/batch.h), also if it was no node of ours before. No other
 * server of the family takes a batch for a request about a key. If it is another server, it is told
 * in its dialect's own way. The original dialect lacks such a way, and a fork's node cannot be
 * flushed.
 *
 * A set by a batch says until when it may be carried out (wire/until.h), and does not fail before.
 */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "cache/group.h"
#include "cache/tags.h"
#include "net/fetch.h"
#include "net/net.h"
#include "peer/peer_in.h"
#include "peer/sign.h"
#include "wire/batch.h"
#include "wire/expire.h"
#include "wire/removekeys.h"
#include "wire/setrequest.h"

enum {
    MAX_ANSWER = 64 << 10,
    MAX_RECENT = 1 << 20,   /* of BATCH_RECENT */
    MOST_CUTS = 5,          /* in a row */
    PROMISE_MS = 1000,      /* a set is not given up sooner, if it may have been sent */
    DOUBT_PROMISE_MS = 250, /* the same if the peer may be silent: clients wait for it */
    MOST_LATE = 3           /* a set is sent again so often, when it came too late */
};

struct tell {
    struct peer *peer;         /* a reference */
    struct group *group;       /* a reference */
    struct batch_request what; /* a copy */
    uint64_t until_ms;
    uint64_t asked_ms;    /* of a set: the last batch was sent then, or later */
    uint64_t promised_ms; /* the peer may carry it out until then; 0: that is not known */
    unsigned late;        /* so often it came too late */
    void (*done)(void *ctx, enum err code, const char *text);
    void (*ring)(void *ctx, const struct tell_ring *r);
    void (*answer)(void *ctx, const void *body, size_t n);
    void *ctx;
    size_t left;      /* current exchanges; the network thread's once the first has begun */
    struct error err; /* the first failure */
};

/* One exchange of a tell. */
struct telling {
    struct tell *tell;
    struct fetch *fetch; /* borrowed, once it has begun */
    struct peer_call call;
    struct net_later later;
    int given_up; /* the peer is out of use */
    enum verdict (*judge)(struct tell *t, struct fetch *f);
};

static void tell_over(struct tell *t)
{
    if (--t->left)
        return;
    t->done(t->ctx, t->err.code, t->err.msg);
    batch_request_deinit(&t->what);
    group_unref(t->group);
    peer_unref(t->peer);
    mem_free(t);
}

static void tell_failed(struct tell *t, enum err code, const char *text)
{
    if (!t->err.code)
        error_set(&t->err, code, "%s", text);
}

/* If an exchange failed, only the end of the network thread and a useless URL keep their codes.
 * Other codes are about the exchange, and would be taken for the node's answer. */
static enum verdict exchange_failed(struct tell *t, const struct error *e)
{
    int kept = e->code == ERR_CLOSED || e->code == ERR_INVAL;

    tell_failed(t, kept ? e->code : ERR_PEER, e->msg);
    return VERDICT_NONE;
}

/* What an answer says of the health of the peer. */
static enum verdict verdict_of(int status)
{
    if (status < 500)
        return VERDICT_ANSWER;
    return status == 500 || status == 503 ? VERDICT_DOUBTFUL : VERDICT_BROKEN;
}

static uint64_t left_ms(const struct tell *t)
{
    uint64_t now = clock_ms();

    return t->until_ms > now ? t->until_ms - now : 1;
}

/* --- an exchange --- */

static void telling_gives_up(struct peer_call *c)
{
    struct telling *x = list_entry(c, struct telling, call);

    if (clock_ms() < x->tell->promised_ms && fetch_was_sent(x->fetch))
        return; /* a later look gives it up */
    x->given_up = 1;
    fetch_cancel(x->fetch);
}

static void telling_begun(void *ctx, struct fetch *f)
{
    struct telling *x = ctx;

    x->fetch = f;
    health_watch_begin(&x->call);
}

static enum verdict judge_batch(struct tell *t, struct fetch *f);

static void telling_over(struct net_later *l)
{
    struct telling *x = list_entry(l, struct telling, later);
    struct tell *t = x->tell;

    mem_free(x);
    tell_over(t);
}

/* Milliseconds for which the peer may still carry out the set of an exchange that has ended. A
 * server before it may have answered 5xx in its place. */
static uint64_t open_ms(const struct tell *t, struct fetch *f)
{
    int answered = !fetch_error(f)->code && (fetch_header(f, HEADER_NODE) || fetch_status(f) < 500);
    uint64_t now = clock_ms();

    if (answered || !fetch_was_sent(f) || now >= t->promised_ms)
        return 0;
    return t->promised_ms - now;
}

static void telling_done(void *ctx, struct fetch *f)
{
    struct telling *x = ctx;
    struct tell *t = x->tell;
    enum verdict verdict = VERDICT_NONE;

    if (x->given_up && fetch_error(f)->code == ERR_CLOSED)
        tell_failed(t, ERR_PEER, "it shows no sign of life, and is out of use");
    else
        verdict = x->judge(t, f);
    if (x->judge != judge_batch && fetch_phase(f) == FETCH_NO_ANSWER)
        health_watch_drop(&x->call); /* it may lack the group, is_cut_for_good() */
    else
        health_watch_end(&x->call, f, verdict);
    x->later.run = telling_over;
    if (open_ms(t, f))
        net_later(t->peer->peers->net, &x->later, open_ms(t, f));
    else
        telling_over(&x->later);
}

/* A node may be told of any change twice: the second time changes nothing, or is a set that is not
 * confirmed yet. judge() takes the answer, or the failure. */
static void send_to(struct tell *t, const struct buf *url, const char *method,
                    const struct buf *body, const struct buf *echo,
                    enum verdict (*judge)(struct tell *t, struct fetch *f))
{
    struct telling *x = mem_zalloc(sizeof(*x));
    const char *headers[CONTACT_HEADERS + 1];
    char line[AGREE_LINE];
    struct fetch_opts o = {
        .lane = NET_PEERS,
        .method = method,
        .url = url->data,
        .timeout_ms = left_ms(t),
        .max_bytes = t->what.op == BATCH_RECENT ? MAX_RECENT : MAX_ANSWER,
        .repeatable = 1,
        .here = !echo, /* any thread begins a batch, the network thread all other exchanges */
        .begun = telling_begun,
        .done = telling_done,
        .ctx = x,
    };
    struct fetch *f = NULL;
    struct buf proof;
    struct error e;

    *x = (struct telling){.tell = t, .judge = judge};
    x->call =
        (struct peer_call){.peer = t->peer, .until_ms = t->until_ms, .give_up = telling_gives_up};
    t->left++;
    buf_init(&proof, 0);
    contact_begin(t->peer, &o, headers, line);
    if (body) {
        o.body = body->data;
        o.body_len = body->len;
    }
    if (echo)
        o.echo = echo->data;
    if (url->failed || (body && body->failed) || (echo && echo->failed) ||
        sign_put(&proof, t->peer, method, o.url, o.body, o.body_len)) {
        error_set(&e, ERR_NOMEM, "no memory for a request");
    } else {
        if (proof.len)
            headers[o.n_headers++] = proof.data;
        f = fetch_start(t->peer->peers->net, &o, &e);
    }
    buf_deinit(&proof);
    fetch_unref(f);
    if (f)
        return;
    mem_free(x);
    tell_failed(t, e.code, e.msg);
    tell_over(t);
}

/* --- in the dialect's own way, on the network thread --- */

/* If a Go server lacks the group, it may panic, which ends the connection. After some times it is
 * useless to tell it again. */
static int is_cut_for_good(struct tell *t, struct fetch *f)
{
    struct peer *peer = t->peer;

    if (fetch_phase(f) != FETCH_NO_ANSWER) {
        atomic_store(&peer->cuts, 0);
        return 0;
    }
    if (atomic_fetch_add(&peer->cuts, 1) + 1 < MOST_CUTS)
        return 0;
    atomic_store(&peer->cuts, 0);
    log_warn("peers", "peer ends the connection when it is told of a change, giving up",
             "peer=%s group=%s times=%d hint=\"does it lack the group?\"", peer->url,
             group_name(t->group), MOST_CUTS);
    return 1;
}

static enum verdict judge_dialect(struct tell *t, struct fetch *f)
{
    char why[PEER_MESSAGE_BYTES];

    contact_end(t->peer, f);
    if (is_cut_for_good(t, f)) {
        tell_failed(t, ERR_INVAL, fetch_error(f)->msg);
        return VERDICT_NONE;
    }
    if (fetch_error(f)->code)
        return exchange_failed(t, fetch_error(f));
    if (fetch_status(f) != 200 && fetch_status(f) != 404) { /* 404: it has no such group */
        peer_get_refusal(t->peer->peers, f, why, sizeof(why));
        tell_failed(t, ERR_PEER, why);
    }
    return verdict_of(fetch_status(f));
}

static void put_key_url(struct buf *url, const struct tell *t, const struct key *key)
{
    const char *group = group_name(t->group);

    buf_puts(url, t->peer->url);
    buf_puts(url, t->peer->peers->opts.base_path);
    dialect_put_target(url, group, strlen(group), key->bytes, key->n);
    buf_put(url, "", 1);
}

static void send_set(struct tell *t, const char *method)
{
    const char *group = group_name(t->group);
    const struct key *key = &t->what.keys[0];
    struct setrequest r = {.group = group,
                           .group_len = strlen(group),
                           .key = key->bytes,
                           .key_len = key->n,
                           .value = t->what.value,
                           .value_len = t->what.value_len};
    uint64_t now = clock_ms();
    uint64_t expires_ms = t->what.has_ttl ? now + t->what.ttl_ms : group_keep_expiry_ms(t->group);
    struct buf url, body;

    r.expire_ns = expire_to_wire(expires_ms, now, clock_wall_ns());
    buf_init(&url, 0);
    buf_init(&body, 0);
    put_key_url(&url, t, key);
    setrequest_put(&body, &r);
    send_to(t, &url, method, &body, NULL, judge_dialect);
    buf_deinit(&url);
    buf_deinit(&body);
}

static void send_remove(struct tell *t, const char *method, const struct key *key)
{
    struct buf url;

    buf_init(&url, 0);
    put_key_url(&url, t, key);
    send_to(t, &url, method, NULL, NULL, judge_dialect);
    buf_deinit(&url);
}

static void send_removes(struct tell *t)
{
    const char *method = dialect_method(t->peer->peers->opts.dialect, DIALECT_REMOVE);
    size_t i;

    for (i = 0; i < t->what.n_keys; i++)
        send_remove(t, method, &t->what.keys[i]);
}

/* Servers before groupcache-go v3.4.0 know no such request. */
static enum verdict judge_remove_keys(struct tell *t, struct fetch *f)
{
    if (fetch_error(f)->code || fetch_status(f) != 405)
        return judge_dialect(t, f);
    send_removes(t);
    return VERDICT_ANSWER;
}

/* Many keys in one request, if the dialect has such a request and it can hold them. */
static int send_remove_keys(struct tell *t, const char *method)
{
    const char *group = group_name(t->group);
    const struct key *keys = t->what.keys;
    struct buf url, body;
    int fits = removekeys_can_say(group, strlen(group));
    size_t i;

    for (i = 0; i < t->what.n_keys; i++)
        fits = fits && removekeys_can_say(keys[i].bytes, keys[i].n);
    buf_init(&url, 0);
    buf_init(&body, 0);
    if (fits) {
        buf_puts(&url, t->peer->url);
        buf_puts(&url, t->peer->peers->opts.base_path);
        dialect_put_remove_keys_target(&url, group, strlen(group));
        buf_put(&url, "", 1);
        removekeys_put(&body, group, strlen(group), keys, t->what.n_keys);
        send_to(t, &url, method, &body, NULL, judge_remove_keys);
    }
    buf_deinit(&url);
    buf_deinit(&body);
    return fits;
}

static void tell_in_dialect(struct tell *t)
{
    enum dialect d = t->peer->peers->opts.dialect;
    const char *set = dialect_method(d, DIALECT_SET), *remove = dialect_method(d, DIALECT_REMOVE);
    const char *remove_keys = dialect_method(d, DIALECT_REMOVE_KEYS);
    uint32_t tag;

    t->promised_ms = 0; /* it knows no such time */
    if (t->what.op == BATCH_SET && remove &&
        !extra_is_value(extra_status(t->what.extra, t->what.extra_len))) {
        send_removes(t); /* the bytes would be a value there */
    } else if (t->what.op == BATCH_SET && set) {
        send_set(t, set);
    } else if (t->what.op == BATCH_REMOVE &&
               tags_is_key(t->what.keys[0].bytes, t->what.keys[0].n, &tag)) {
        tell_failed(t, ERR_INVAL, "it is no node of ours, and knows no tags");
    } else if (t->what.op == BATCH_REMOVE && remove) {
        if (t->what.n_keys > 1 && remove_keys && send_remove_keys(t, remove_keys))
            return;
        send_removes(t);
    } else {
        tell_failed(t, ERR_INVAL, "it is no node of ours, and cannot be told");
    }
}

/* --- by a batch --- */

/* An answer of a node of ours that is not 200. Codes that are not about the change concern that
 * node alone: its CLOSED is not ours. */
static void take_refusal(struct tell *t, struct fetch *f)
{
    const char *name = fetch_header(f, HEADER_CODE);
    enum err code = name ? err_from_name(name) : ERR_COUNT;
    /* It may not have our name's address, or our secret, yet. */
    int refused = fetch_status(f) == 403 || fetch_status(f) == 401;
    int of_change = !refused && (code == ERR_INVAL || code == ERR_TOOBIG || code == ERR_NOMEM);
    char why[PEER_MESSAGE_BYTES];

    if (code == ERR_INVAL &&
        fetch_status(f) == dialect_facts(t->peer->peers->opts.dialect)->no_group_status)
        return; /* it has no such group */
    peer_get_first_line(f, why, sizeof(why));
    tell_failed(t, of_change ? code : ERR_PEER, why);
}

static void header_ms(struct fetch *f, const char *name, uint64_t *out)
{
    const char *text = fetch_header(f, name);

    if (text)
        num_parse_u64(text, strlen(text), UINT64_MAX, out);
}

/* What a node of ours says of its ring. */
static void hear_ring(struct tell *t, struct fetch *f)
{
    struct tell_ring r = {.differs = fetch_header(f, HEADER_VIEW) != NULL,
                          .since_ms = UINT64_MAX,
                          .stood_in_ms = UINT64_MAX};

    header_ms(f, HEADER_SINCE, &r.since_ms);
    header_ms(f, HEADER_STAND_IN, &r.stood_in_ms);
    if (r.differs && fetch_status(f) == 200) {
        r.urls = fetch_body(f)->data;
        r.n = fetch_body(f)->len;
    }
    if (t->ring)
        t->ring(t->ctx, &r);
}

/* Returns whether a node of ours says its clock. */
static int hear_clock(struct tell *t, struct fetch *f)
{
    struct peer *peer = t->peer;
    uint64_t theirs = 0;

    header_ms(f, HEADER_CLOCK, &theirs);
    if (!theirs)
        return 0;
    pthread_mutex_lock(&peer->mu);
    until_heard(&peer->until, theirs, t->asked_ms, clock_ms());
    pthread_mutex_unlock(&peer->mu);
    return 1;
}

static int send_batch(struct tell *t, const struct batch_request *what);

/* A set came too late, or before this node knew the peer's clock: it was not carried out. */
static int sends_again(struct tell *t)
{
    return clock_ms() < t->until_ms && t->late++ < MOST_LATE && send_batch(t, &t->what);
}

static enum verdict judge_batch(struct tell *t, struct fetch *f)
{
    char why[PEER_MESSAGE_BYTES];
    int knows_clock;

    contact_end(t->peer, f);
    if (fetch_error(f)->code)
        return exchange_failed(t, fetch_error(f));
    if (fetch_header(f, HEADER_NODE)) {
        peer_recognise(t->peer, f);
        hear_ring(t, f);
        knows_clock = hear_clock(t, f);
        if (fetch_status(f) != 200 && knows_clock && sends_again(t))
            return VERDICT_ANSWER;
        if (fetch_status(f) != 200)
            take_refusal(t, f);
        else if (t->answer)
            t->answer(t->ctx, fetch_body(f)->data, fetch_body(f)->len);
        return fetch_header(f, HEADER_CODE) ? VERDICT_NONE : VERDICT_ANSWER;
    }
    if (fetch_status(f) >= 500) { /* any server: it is in trouble */
        peer_get_refusal(t->peer->peers, f, why, sizeof(why));
        tell_failed(t, ERR_PEER, why);
        return verdict_of(fetch_status(f));
    }
    peer_recognise(t->peer, f);
    tell_in_dialect(t);
    return VERDICT_ANSWER;
}

/* Says in a set until when it may be carried out. */
static void promise(struct tell *t, struct batch_request *what)
{
    struct peer *peer = t->peer;
    int fine = atomic_load(&peer->state) == HEALTH_FINE && !atomic_load(&peer->silent);
    uint64_t now = clock_ms(), at_ms = now + (fine ? PROMISE_MS : DOUBT_PROMISE_MS);

    at_ms = at_ms < t->until_ms ? at_ms : t->until_ms;
    what->has_until = 1;
    pthread_mutex_lock(&peer->mu);
    what->until = until_at(&peer->until, at_ms);
    pthread_mutex_unlock(&peer->mu);
    t->promised_ms = what->until ? at_ms : 0;
}

/* 0: no memory. Else t may be freed by now. */
static int send_batch(struct tell *t, const struct batch_request *what)
{
    struct batch_request r = *what;
    struct buf url, body, echo;
    struct error e;
    int made;

    t->asked_ms = clock_ms();
    if (r.op == BATCH_SET)
        promise(t, &r);
    buf_init(&url, 0);
    buf_init(&body, 0);
    buf_init(&echo, 0);
    peer_batch_put_url(&url, t->peer, t->group);
    made = !batch_put(&body, &r) && !peer_batch_put_echo(&echo, t->group, &body) &&
           (what == &t->what || !batch_parse(body.data, body.len, &t->what, &e));
    if (made)
        send_to(t, &url, "POST", &body, &echo, judge_batch);
    buf_deinit(&url);
    buf_deinit(&body);
    buf_deinit(&echo);
    return made;
}

void peer_tell(struct peer *peer, const struct tell_opts *o)
{
    struct tell *t = mem_zalloc(sizeof(*t));

    t->peer = peer_ref(peer);
    t->group = group_ref(o->group);
    t->until_ms = clock_ms() + o->timeout_ms;
    t->done = o->done;
    t->ring = o->ring;
    t->answer = o->answer;
    t->ctx = o->ctx;
    if (!send_batch(t, o->what)) {
        tell_failed(t, ERR_NOMEM, "no memory for a request");
        t->left = 1;
        tell_over(t);
    }
}
