/* SPDX-License-Identifier: MIT */
/* health_watch.c - which peers live, on the network thread.
 *
 * A peer with loads under way shows signs of life: any answer, the head of a batch's answer, which
 * a node of ours sends as soon as it has begun the loads. If it shows none for half of its patience
 * (health.h), it is asked for the path of the peers without a group, on a connection of its own. A
 * node of ours answers 200 if it is ready, a Go node 400 or the like. So a getter may be
 * slow for as long as it likes: its load is not sent elsewhere. The older the load, the rarer the
 * question.
 *
 * If the rest of the patience passes without an answer, the loads that wait for the peer are also
 * sent to the next owners (attempt.c), and the peer is suspect. If a whole patience more passes,
 * the peer is ejected. Until it speaks it is sent no more loads. After its pause the same question
 * is the probe. */
#include <stdatomic.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "cache/flight.h"
#include "net/fetch.h"
#include "net/net.h"
#include "peer/peer_in.h"
#include "peer/sign.h"

enum {
    LOOK_MS = 25,  /* between two looks at the peers with loads under way */
    STALL_MS = 5,  /* a look later than that is a stall of our own */
    ASK_MS = 2500, /* a question's time: longer than every patience and a half */
    PROBE_MS = 1000,
    WAVER_MS = 1000,
    MAX_ANSWER = 64 * 1024
};

/* A question under way. */
struct question {
    struct peer *peer; /* a reference */
    uint64_t asked_ms;
    int probe;
};

/* The time by which peers are judged: clock_ms() without the time in which this thread was held up,
 * by other work or a busy machine. It may not have read what its peers said meanwhile. */
static uint64_t awake_ms(const struct peers *ps)
{
    return clock_ms() - ps->lost_ms;
}

/* --- the state --- */

static void publish(struct peer *p)
{
    const struct health *h = &p->health;

    if (h->state == HEALTH_EJECTED) {
        atomic_store(&p->peers->has_ejected, 1);
        atomic_fetch_add(&p->ejections, 1);
        contact_lost(p);
    }
    atomic_store(&p->state, h->state);
}

/* A silent peer is passed over, like an ejected one, until it speaks. */
static void publish_silence(struct peer *p)
{
    if (p->health.silent == atomic_load_explicit(&p->silent, memory_order_relaxed))
        return;
    if (p->health.silent)
        atomic_store(&p->peers->has_ejected, 1);
    atomic_store(&p->silent, p->health.silent);
}

/* A peer that is suspect again and again is told of once a second. */
static int is_told(struct peer *p, enum health_state was, uint64_t now)
{
    int wavers = p->health.state == HEALTH_SUSPECT || was == HEALTH_SUSPECT;

    if (p->health.state == HEALTH_EJECTED || !wavers)
        return 1;
    if (p->wavered_ms && now < p->wavered_ms + WAVER_MS)
        return 0;
    p->wavered_ms = now;
    return 1;
}

static void log_state(const struct peer *p, uint64_t now)
{
    const struct health *h = &p->health;
    const char *state = health_state_name(h->state);

    if (h->state == HEALTH_EJECTED)
        log_warn("peers", "peer is out of use, its keys go to their next owners",
                 "peer=%s state=%s reason=\"%s\" pause_ms=%llu", p->url, state, h->why,
                 (unsigned long long)(h->until_ms - now));
    else if (h->state == HEALTH_SUSPECT)
        log_warn("peers", "peer is suspect", "peer=%s state=%s reason=\"%s\"", p->url, state,
                 h->why);
    else
        log_info("peers", h->state == HEALTH_FINE ? "peer is in use" : "peer is probed",
                 "peer=%s state=%s reason=\"%s\"", p->url, state, h->why);
}

static void changed(struct peer *p, uint64_t now)
{
    enum health_state was = atomic_load(&p->state);

    publish(p);
    if (is_told(p, was, now))
        log_state(p, now);
}

static void happened(struct peer *p, enum health_event event)
{
    uint64_t now = awake_ms(p->peers);

    if (health_event(&p->health, event, now))
        changed(p, now);
    publish_silence(p);
}

static void heard(struct peer *p, uint64_t now)
{
    if (health_heard(&p->health, now))
        changed(p, now);
    publish_silence(p);
}

/* --- the question --- */

/* The connection ended, or the answer is no HTTP. A certificate that is not believed is a matter of
 * configuration, not of health. */
static int is_cut(const struct fetch *f)
{
    return fetch_phase(f) == FETCH_NO_ANSWER && fetch_error(f)->code == ERR_PEER &&
           !fetch_is_distrusted(f);
}

static int is_sound(int status)
{
    return status < 500;
}

static void probe_answered(const struct question *q)
{
    struct health *h = &q->peer->health;
    uint64_t now = awake_ms(q->peer->peers);
    enum health_event event = health_probe_event(h, q->asked_ms, now);

    health_took(h, q->asked_ms, now);
    happened(q->peer, event);
}

static void judge_probe(const struct question *q, struct fetch *f)
{
    struct peer *p = q->peer;

    if (!fetch_error(f)->code && is_sound(fetch_status(f)))
        probe_answered(q);
    else if (!fetch_error(f)->code && fetch_status(f) == 503 && fetch_header(f, HEADER_NODE))
        happened(p, HEALTH_UNREADY);
    else if (fetch_error(f)->code != ERR_CLOSED)
        happened(p, HEALTH_UNANSWERED);
}

static void judge_question(const struct question *q, struct fetch *f)
{
    struct peer *p = q->peer;

    if (fetch_unreached(f)) {
        happened(p, HEALTH_REFUSED);
    } else if (is_cut(f)) {
        happened(p, HEALTH_BROKEN);
    } else if (!fetch_error(f)->code) {
        health_took(&p->health, q->asked_ms, awake_ms(p->peers));
        heard(p, awake_ms(p->peers));
        if (fetch_status(f) == 503 && fetch_header(f, HEADER_NODE))
            happened(p, HEALTH_UNREADY);
        else if (!is_sound(fetch_status(f)) && fetch_status(f) != 503)
            happened(p, HEALTH_BROKEN);
    }
}

static void question_done(void *ctx, struct fetch *f)
{
    struct question *q = ctx;

    if (q->probe)
        judge_probe(q, f);
    else
        judge_question(q, f);
    health_question_ended(&q->peer->health);
    publish_silence(q->peer);
    peer_unref(q->peer);
    mem_free(q);
}

/* Not from within libcurl. */
static void ask(struct peer *p, int probe)
{
    struct peers *ps = p->peers;
    const char *headers[CONTACT_HEADERS + 1];
    char line[AGREE_LINE];
    struct question *q = mem_zalloc(sizeof(*q));
    struct fetch_opts o = {.lane = NET_CHECKS,
                           .timeout_ms = probe ? PROBE_MS : ASK_MS,
                           .max_bytes = MAX_ANSWER,
                           .here = 1,
                           .done = question_done,
                           .ctx = q};
    struct fetch *f = NULL;
    struct error e = {.code = ERR_NOMEM};
    struct buf url, proof;

    *q = (struct question){peer_ref(p), awake_ms(ps), probe};
    health_asked(&p->health, q->asked_ms);
    contact_begin(p, &o, headers, line);
    buf_init(&url, 0);
    buf_puts(&url, p->url);
    buf_puts(&url, ps->opts.base_path);
    buf_init(&proof, 0);
    if (!buf_put(&url, "", 1) && !sign_put(&proof, p, "GET", url.data, NULL, 0)) {
        if (proof.len)
            headers[o.n_headers++] = proof.data;
        o.url = url.data;
        f = fetch_start(ps->net, &o, &e);
    }
    buf_deinit(&url);
    buf_deinit(&proof);
    fetch_unref(f);
    if (f)
        return;
    if (probe)
        happened(p, HEALTH_UNANSWERED);
    health_question_ended(&p->health);
    publish_silence(p);
    peer_unref(p);
    mem_free(q);
}

/* --- the look --- */

/* Sends the loads of calls that began by `until_ms` to the next owners too. */
static void hedge(struct peer *p, uint64_t until_ms)
{
    struct list *l;
    size_t i, n = 0;

    list_each (l, &p->calls) {
        struct peer_call *c = list_entry(l, struct peer_call, link);

        if (c->since_ms > until_ms)
            break;
        for (i = 0; i < c->n; i++) {
            if (c->flights[i])
                n += (size_t)attempt_hedge(p, c->flights[i]);
        }
    }
    atomic_fetch_add(&p->hedges, n);
}

/* Ends the calls that can go nowhere else. A young one may show that the peer is well again. */
static void give_up(struct peer *p, uint64_t now)
{
    struct list *l;

    list_each (l, &p->calls) {
        struct peer_call *c = list_entry(l, struct peer_call, link);

        if (c->since_ms + HEALTH_PATIENCE_MIN_MS > now)
            break;
        if (c->give_up)
            c->give_up(c);
    }
}

/* The deadline of a call, or of its first load that has not ended. */
static uint64_t deadline_of(const struct peer_call *c)
{
    size_t i = 0;

    if (!c->n)
        return c->until_ms;
    while (i < c->n && !c->flights[i])
        i++;
    return i < c->n ? c->flights[i]->deadline_ms : UINT64_MAX;
}

/* The oldest call that waits for the peer. 0: none does. */
static int oldest_load(const struct peer *p, struct health_load *out)
{
    const struct peer_call *c;
    uint64_t deadline_ms; /* of the awake clock */

    if (list_empty(&p->calls))
        return 0;
    c = list_entry(p->calls.next, struct peer_call, link);
    deadline_ms = deadline_of(c) - p->peers->lost_ms;
    out->since_ms = c->since_ms;
    out->time_ms = deadline_ms > c->since_ms ? deadline_ms - c->since_ms : 0;
    return 1;
}

static void look_at_calls(struct peer *p, uint64_t now)
{
    struct health_load load;
    const struct health_load *oldest = oldest_load(p, &load) ? &load : NULL;
    int has_changed;

    switch (health_look(&p->health, oldest, now, &has_changed)) {
    case HEALTH_ASK:
        ask(p, 0);
        break;
    case HEALTH_HEDGE:
        if (has_changed)
            changed(p, now);
        publish_silence(p);
        hedge(p, health_hedge_until_ms(&p->health, oldest, now));
        break;
    default:
        break;
    }
}

static void look(struct peer *p, uint64_t now)
{
    enum health_state was = p->health.state;

    if (health_is_in_use(&p->health)) {
        look_at_calls(p, now);
    } else {
        hedge(p, now);
        if (!p->health.unready)
            give_up(p, now);
        if (health_probe_is_due(&p->health, now)) {
            if (was != HEALTH_PROBING)
                changed(p, now);
            ask(p, 1);
        }
    }
}

/* Nothing is to be looked at: all is fine, or the peer is in no list any more. */
static int is_idle(const struct peer *p)
{
    return list_empty(&p->calls) && !p->health.asking &&
           (health_is_in_use(&p->health) || atomic_load(&p->refs) == 1);
}

static void note_stall(struct peers *ps)
{
    uint64_t now = clock_ms(), due = ps->looked_ms + LOOK_MS;

    if (now > due + STALL_MS)
        ps->lost_ms += now - due;
}

static void arm(struct peers *ps);

static void on_timer(struct timer *t)
{
    struct peers *ps = list_entry(t, struct peers, timer);
    struct list *l, *next;
    uint64_t now;

    note_stall(ps);
    now = awake_ms(ps);
    list_each_safe (l, next, &ps->watched) {
        struct peer *p = list_entry(l, struct peer, watched);

        look(p, now);
        if (is_idle(p)) {
            list_del(l);
            peer_unref(p);
        }
    }
    if (!list_empty(&ps->watched))
        arm(ps);
}

/* Without memory nobody looks: loads end by their deadlines, and the next call tries again. */
static void arm(struct peers *ps)
{
    ps->timer.run = on_timer;
    ps->looked_ms = clock_ms();
    net_timer_set(ps->net, &ps->timer, LOOK_MS);
}

static void watch(struct peer *p)
{
    if (list_empty(&p->watched)) {
        peer_ref(p);
        list_push_back(&p->peers->watched, &p->watched);
    }
    if (!p->peers->timer.slot)
        arm(p->peers);
}

/* --- the calls --- */

void health_watch_begin(struct peer_call *c)
{
    c->since_ms = awake_ms(c->peer->peers);
    list_push_back(&c->peer->calls, &c->link);
    watch(c->peer);
}

void health_watch_drop(struct peer_call *c)
{
    list_del(&c->link);
}

void health_watch_heard(struct peer *peer)
{
    heard(peer, awake_ms(peer->peers));
}

/* How long the call took counts only if nothing was asked meanwhile: else the answer to the
 * question was the sign of life. */
static void answered(struct peer *p, const struct peer_call *c, enum verdict verdict)
{
    uint64_t now = awake_ms(p->peers);

    if (p->health.asked_ms < c->since_ms)
        health_took(&p->health, c->since_ms, now);
    heard(p, now);
    if (verdict == VERDICT_ANSWER && p->health.state == HEALTH_SUSPECT)
        happened(p, HEALTH_ANSWERED);
    else if (verdict == VERDICT_BROKEN)
        happened(p, HEALTH_BROKEN);
    else if (verdict == VERDICT_DOUBTFUL && !p->health.asking && p->health.asked_ms < c->since_ms)
        ask(p, 0);
}

void health_watch_end(struct peer_call *c, struct fetch *f, enum verdict verdict)
{
    struct peer *p = c->peer;

    list_del(&c->link);
    if (fetch_phase(f) == FETCH_ANSWERED)
        answered(p, c, verdict);
    else if (is_cut(f))
        happened(p, HEALTH_BROKEN);
    else if (fetch_unreached(f))
        happened(p, HEALTH_REFUSED);
    else if (fetch_phase(f) == FETCH_TIMED_OUT && p->health.heard_ms < c->since_ms &&
             !p->health.asking && health_is_in_use(&p->health))
        ask(p, 0);
    if (!health_is_in_use(&p->health) || p->health.asking)
        watch(p);
}
