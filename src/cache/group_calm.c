/* SPDX-License-Identifier: MIT */
/* group_calm.c - what keeps loads from a group's source: its breaker, and max_rate.
 *
 * With max_rate, loads wait in the group's queues for a token. Tokens are added as time passes, for
 * a tenth of a second of loads at most: the token bucket of RFC 2697 with one rate. The tick of the
 * group starts what waits. */
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "cache/after.h"
#include "cache/group_in.h"

enum { TOKEN = 1000000, BURST_MS = 100 }; /* a token is a load: a ms adds a rate in thousandths */

/* --- the breaker --- */

static int watches(const struct group *g)
{
    return g->opts.breaker || g->opts.breaker_share;
}

int group_calm_refuses_locked(struct group *g, const struct key_ref *k, int waits,
                              struct result *now)
{
    struct breaker *b = &g->breaker;
    uint64_t now_ns;

    if (!breaker_is_open(b))
        return 0;
    now_ns = clock_ns();
    if (breaker_admits(b, k->hash, now_ns))
        return 0;
    g->stats.breaker_refused += waits ? 1 : 0;
    now->item = NULL;
    error_set(&now->err, ERR_BUSY,
              "group %s: the source has failed %sfor %.1f s, and is asked again within 1 s",
              g->name, b->many ? "" : "with this key ", (double)(now_ns - b->opened_ns) / 1e9);
    return 1;
}

/* 1: the source has answered; 0: it has failed; -1: the end says nothing about the source. */
static int judge(const struct flight *f, const struct result *r)
{
    if (f->state == FLIGHT_QUEUED || (r->item && r->source != SOURCE_LOCAL))
        return -1;
    if (r->item || r->err.code == ERR_NOTFOUND)
        return 1;
    if (r->err.code == ERR_TIMEOUT)
        return atomic_load(&f->began_ns) ? 0 : -1; /* else it waited for a VM */
    return r->err.code == ERR_GETTER || r->err.code == ERR_PEER || r->err.code == ERR_BUSY ? 0 : -1;
}

void group_calm_note_locked(struct group *g, const struct flight *f, const struct result *r)
{
    struct breaker_bounds bounds = {g->opts.breaker, g->opts.breaker_share};
    int good;

    if (f->kind != FLIGHT_LOCAL || !watches(g) || (good = judge(f, r)) < 0)
        return;
    if (breaker_note(&g->breaker, &bounds, f->hash, good, f->opened_ns, clock_ns()) && !good)
        g->stats.breaker_opens++;
    if (!good)
        g->calm.error = r->err;
}

int group_calm_is_stopped_locked(const struct group *g, const struct flight *f)
{
    return breaker_is_open(&g->breaker) && g->breaker.many && f->opened_ns < g->breaker.opened_ns;
}

void group_calm_configure_locked(struct group *g)
{
    if (!watches(g))
        breaker_reset(&g->breaker);
}

static enum calm_said state_of(const struct breaker *b)
{
    if (!breaker_is_open(b))
        return CALM_CLOSED;
    return b->many ? CALM_OPEN : CALM_OPEN_FOR_ONE;
}

/* 1: its state, which is in out->said, is to be told. */
static int take(struct group *g, struct group_calm *out)
{
    enum calm_said state;
    int told;

    pthread_mutex_lock(&g->mu);
    state = state_of(&g->breaker);
    told = state != g->calm.said;
    if (g->calm.said == CALM_CLOSED) {
        g->calm.opened_ns = g->breaker.opened_ns;
        g->calm.refused = g->stats.breaker_refused;
    }
    g->calm.said = state;
    *out = g->calm;
    out->refused = g->stats.breaker_refused - g->calm.refused;
    pthread_mutex_unlock(&g->mu);
    return told;
}

static void say_open(const struct group *g, const struct group_calm *c)
{
    char text[2 * ERROR_TEXT];

    log_warn("group",
             c->said == CALM_OPEN ? "the source fails, the breaker is open"
                                  : "the source fails with one key, the breaker is open for it",
             "group=%s code=%s error=%s", g->name, err_name(c->error.code),
             log_quote(text, sizeof(text), c->error.msg, strlen(c->error.msg)));
}

void group_calm_tick(struct group *g)
{
    struct group_calm c;

    if (!take(g, &c))
        return;
    if (c.said != CALM_CLOSED)
        say_open(g, &c);
    else
        log_info("group", "the source answers, the breaker is closed",
                 "group=%s seconds=%.3g refused=%llu", g->name,
                 (double)(clock_ns() - c.opened_ns) / 1e9, (unsigned long long)c.refused);
}

/* --- max_rate --- */

static void add_tokens(struct group *g, uint64_t now_ms)
{
    uint64_t most = g->opts.max_rate * BURST_MS, passed = now_ms - g->calm.tokens_ms;

    most = most > TOKEN ? most : TOKEN;
    g->calm.tokens_ms = now_ms;
    if (passed >= most / g->opts.max_rate + 1)
        g->calm.tokens = most;
    else
        g->calm.tokens += passed * g->opts.max_rate;
    g->calm.tokens = g->calm.tokens < most ? g->calm.tokens : most;
}

int group_calm_takes_token_locked(struct group *g, uint64_t now_ms)
{
    if (!g->opts.max_rate)
        return 1;
    add_tokens(g, now_ms);
    if (g->calm.tokens < TOKEN)
        return 0;
    g->calm.tokens -= TOKEN;
    return 1;
}

int group_calm_is_too_much_locked(struct group *g, struct result *now)
{
    double rate = (double)g->opts.max_rate / 1000, missing;

    if (!g->opts.max_rate)
        return 0;
    add_tokens(g, clock_ms());
    missing = (double)(g->in_queues + 1) * TOKEN - (double)g->calm.tokens;
    if (missing <= (double)g->opts.max_rate * (double)g->opts.timeout_ms * 3 / 4)
        return 0;
    error_set(&now->err, ERR_BUSY,
              "group %s: %llu loads wait before this one, and max_rate is %.4g a second: no value "
              "within %.3g s",
              g->name, (unsigned long long)g->in_queues, rate, (double)g->opts.timeout_ms / 1000);
    return 1;
}
