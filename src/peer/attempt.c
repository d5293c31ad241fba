/* SPDX-License-Identifier: MIT */
/* attempt.c - how the load of a key at a peer ends, and where it goes next.
 *
 * A load asks at most two peers: the owner, and the next owner on the ring if the owner fails or
 * shows no sign of life. The first answer ends the load. If this node is the next owner, or both
 * have failed, our getter loads the key. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "cache/group.h"
#include "net/fetch.h"
#include "peer/peer_in.h"

enum {
    MOST_PEERS = 2,
    NEW_LIST_MS = 60000 /* longer than a load can be on its way to being queued */
};

static const uint64_t MAX_TTL_MS = UINT32_MAX; /* a peer's time is cut to this: 49 days */

/* Logs the failure of a peer, at most once a second: a dead peer fails every load. */
static void log_failure(struct peer *peer, const struct flight *f, const char *why)
{
    char quoted[320];

    if (seldom_count(&peer->failures))
        log_warn("peers", "peer could not be used, loading elsewhere", "peer=%s group=%s error=%s",
                 peer->url, group_name(f->group),
                 log_quote(quoted, sizeof(quoted), why, strlen(why)));
}

/* --- where it goes next --- */

static int is_late(const struct flight *f)
{
    return clock_ms() >= f->deadline_ms;
}

/* Starts the load at the next owner, or here if this node is that owner. Takes a reference. */
static void go_on(struct peer *peer, struct flight *f)
{
    struct peer *next = peers_next(peer->peers, f->key, f->key_len, f->carrier);

    f->here = next == NULL;
    if (next)
        group_load_elsewhere(f, next);
    else
        group_fallback(f, 1);
}

/* This peer brings nothing. Takes the reference. */
static void fails(struct peer *peer, struct flight *f, int elsewhere)
{
    if (--f->pending || f->here) {
        group_load_abstain(f); /* who else was asked may still answer */
    } else if (!elsewhere || f->asked >= MOST_PEERS || is_late(f)) {
        f->here = 1;
        group_fallback(f, 0);
    } else {
        go_on(peer, f);
    }
}

void attempt_begin(struct peer *peer, struct flight *f)
{
    if (!f->asked)
        f->ring = atomic_load_explicit(&peer->peers->generation, memory_order_acquire);
    if (!f->asked && atomic_load(&peer->peers->has_ejected))
        f->passing = !peers_owns(peer->peers, peer, f->key, f->key_len);
    f->carrier = peer;
    f->asked++;
    f->pending++;
}

int attempt_hedge(struct peer *peer, struct flight *f)
{
    if (f->here || f->asked >= MOST_PEERS || is_late(f))
        return 0;
    go_on(peer, flight_ref(f));
    return 1;
}

/* --- how it ends --- */

/* Whether the list has changed since the peer was chosen, or so shortly before that it was perhaps
 * chosen by the list before. */
static int is_of_old_list(const struct peer *peer, const struct flight *f)
{
    struct peers *p = peer->peers;

    if (f->ring != atomic_load_explicit(&p->generation, memory_order_acquire))
        return 1;
    return clock_ms() < peers_changed_ms(p) + NEW_LIST_MS &&
           !peers_owns(p, peer, f->key, f->key_len);
}

/* Whether the peer stands in for the owner, or is perhaps not the owner in every node's eyes. A
 * change might tell it after us, so what it gives is not kept (docs/design/changes.md). */
static int is_passing(const struct peer *peer, const struct flight *f, int other_ring)
{
    return other_ring || f->passing || (f->asked > 1 && f->carrier == peer) ||
           is_of_old_list(peer, f);
}

void attempt_unusable(struct peer *peer, struct flight *f, const char *why)
{
    atomic_fetch_add(&peer->errors, 1);
    log_failure(peer, f, why);
    fails(peer, f, 1);
}

/* Somebody must change a file, so it is said once, until an answer arrives or the list is set. */
static void distrust(struct peer *peer, struct flight *f, const char *why)
{
    char quoted[320];

    atomic_fetch_add(&peer->errors, 1);
    if (!atomic_exchange(&peer->distrusted, 1))
        log_error("peers", "peer cannot be used before a certificate is changed, loading elsewhere",
                  "peer=%s group=%s error=%s", peer->url, group_name(f->group),
                  log_quote(quoted, sizeof(quoted), why, strlen(why)));
    fails(peer, f, 1);
}

void attempt_give(struct peer *peer, struct flight *f, const struct peer_value *v)
{
    struct key_ref k = flight_key(f);
    struct result r = {.source = v->stale ? SOURCE_STALE : SOURCE_PEER,
                       .minute_qps = v->minute_qps,
                       .passing = is_passing(peer, f, v->other_ring)};

    if (!extra_check(v->extra, v->extra_len)) {
        attempt_unusable(peer, f, "the extras of the value are malformed");
        return;
    }
    if (extra_plain_bytes(v->extra, v->extra_len, v->n) >
        group_opts(f->group).max_value_bytes) { /* so is every other node's value */
        atomic_fetch_add(&peer->errors, 1);
        log_failure(peer, f, "the value exceeds max_value_bytes");
        fails(peer, f, 0);
        return;
    }
    r.item = item_new_extra(&k, v->bytes, v->n, v->expires_ms, v->extra, v->extra_len);
    if (!r.item) {
        f->pending--;
        group_finish_error(f, ERR_NOMEM, "no memory for a value of %zu bytes", v->n);
        return;
    }
    item_set_age(r.item, v->age_s);
    atomic_fetch_add(&peer->loads, 1);
    f->pending--;
    group_finish(f, &r);
    item_unref(r.item);
}

void attempt_give_error(struct peer *peer, struct flight *f, const struct peer_failure *e)
{
    struct result r = {.expires_ms = is_passing(peer, f, e->other_ring) ? 0 : e->expires_ms};
    size_t n = e->n < PEER_MESSAGE_BYTES ? e->n : PEER_MESSAGE_BYTES;

    error_set(&r.err, e->code, "%.*s", (int)n, n ? e->text : "");
    atomic_fetch_add(&peer->loads, 1);
    f->pending--;
    group_finish(f, &r);
}

void attempt_not_sent(struct flight *f, const struct error *e)
{
    f->pending--;
    group_finish_error(f, e->code, "%s", e->msg);
}

void attempt_failed(struct peer *peer, struct flight *f, struct fetch *fetch, const struct error *e)
{
    /* A load whose time expired while it waited for a connection has no time for our getter,
     * either. */
    int late = e->code == ERR_TIMEOUT && (fetch_phase(fetch) == FETCH_TIMED_OUT || is_late(f));

    if (e->code == ERR_CLOSED || late)
        attempt_not_sent(f, e);
    else if (fetch_is_distrusted(fetch))
        distrust(peer, f, e->msg);
    else
        attempt_unusable(peer, f, e->msg);
}

/* --- times --- */

uint64_t attempt_left_ms(const struct flight *f)
{
    uint64_t now = clock_ms();

    return f->deadline_ms > now ? f->deadline_ms - now : 1;
}

uint64_t attempt_expiry_ms(const struct flight *f, int has_ttl, uint64_t ttl_ms)
{
    if (!has_ttl)
        return group_keep_expiry_ms(f->group);
    return clock_ms() + (ttl_ms < MAX_TTL_MS ? ttl_ms : MAX_TTL_MS);
}
