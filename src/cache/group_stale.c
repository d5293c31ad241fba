/* SPDX-License-Identifier: MIT */
/* group_stale.c - what may be done with items past their end.
 *
 * A stale item knows whether its last loads have failed. Then gets have it without a load for a
 * while, from 1 s after the first failure to 30 s: a source that is down gets a load of each key
 * now and then. A new value is another item, which ends that. */
#include "base/clock.h"
#include "base/random.h"
#include "cache/extra.h"
#include "cache/group_in.h"

enum {
    PAUSE_FIRST_MS = 1000,
    PAUSE_MAX_MS = 30000,
    PAUSE_JITTER = 4 /* a pause is up to a quarter longer */
};

/* An item may have windows of its own. */
static uint64_t window_ms(const struct group *g, const struct item *it, enum extra_kind kind)
{
    uint64_t ms =
        kind == EXTRA_REVALIDATE ? g->opts.stale_while_revalidate_ms : g->opts.stale_if_error_ms;
    const char *extra;
    size_t n;

    if (it->extra) {
        extra = item_extra(it, &n);
        extra_window(extra, n, kind, &ms);
    }
    return ms;
}

static uint64_t stale_ms(const struct group *g, const struct item *it)
{
    uint64_t a = window_ms(g, it, EXTRA_REVALIDATE), b = window_ms(g, it, EXTRA_IF_ERROR);

    return a > b ? a : b;
}

/* So long after its ttl an item is kept, for gets or for the getter. */
static uint64_t held_ms(const struct group *g, const struct item *it)
{
    uint64_t stale = stale_ms(g, it);

    return stale > g->opts.keep_old_ms ? stale : g->opts.keep_old_ms;
}

int group_stale_is_over_locked(const struct group *g, const struct item *it, uint64_t now)
{
    return it->mortal && item_expires_ms(it) <= now &&
           item_expires_ms(it) + (it->negative ? 0 : held_ms(g, it)) <= now;
}

uint64_t group_stale_ms(struct group *g, const struct item *it)
{
    uint64_t ms;

    pthread_mutex_lock(&g->mu);
    ms = stale_ms(g, it);
    pthread_mutex_unlock(&g->mu);
    return ms;
}

int group_stale_may_revalidate_locked(const struct group *g, const struct item *stale)
{
    return stale && !g->loader.by_caller && /* nobody would run the load in the background */
           clock_ms() < item_expires_ms(stale) + window_ms(g, stale, EXTRA_REVALIDATE);
}

int group_stale_is_outage(enum err code)
{
    return code == ERR_GETTER || code == ERR_PEER || code == ERR_TIMEOUT || code == ERR_TOOBIG ||
           code == ERR_BUSY || code == ERR_NOMEM;
}

int group_stale_may_replace_error_locked(const struct group *g, const struct item *stale,
                                         enum err code)
{
    if (!stale || clock_ms() >= item_expires_ms(stale) + window_ms(g, stale, EXTRA_IF_ERROR))
        return 0;
    return group_stale_is_outage(code);
}

/* Rounded up to seconds. 16 bits of them come round in 18 hours: a stale item that nobody has asked
 * for meanwhile may seem to pause once more. */
static void pause_again(struct group *g, struct item *it)
{
    uint64_t ms = (uint64_t)PAUSE_FIRST_MS << (item_failures(it) - 1);

    ms += random_below(&g->random, ms / PAUSE_JITTER + 1);
    item_end(it)->pause_s =
        (uint16_t)((clock_ms() + (ms < PAUSE_MAX_MS ? ms : PAUSE_MAX_MS) + 999) / 1000);
}

static int is_pausing(const struct item *it)
{
    uint16_t left = (uint16_t)(item_end(it)->pause_s - clock_ms() / 1000);

    return left && left <= PAUSE_MAX_MS / 1000 + 1;
}

void group_stale_pause_locked(struct group *g, struct item *it)
{
    if (!it->mortal)
        return;
    item_add_failure(it);
    pause_again(g, it);
}

int group_stale_spares_locked(struct group *g, struct item *stale)
{
    if (!stale || !item_failures(stale) ||
        clock_ms() >= item_expires_ms(stale) + stale_ms(g, stale))
        return 0;
    if (is_pausing(stale))
        return 1;
    pause_again(g, stale);
    return 0;
}
