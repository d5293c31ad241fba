/* SPDX-License-Identifier: MIT */
/* group_seen.c - see the header. Popular keys are noted in one get of `stride`, so that they cost a
 * busy group little. A reader's own hits (reader.h) are not seen. */
#include "cache/group_seen.h"

#include <string.h>

#include "cache/group_in.h"
#include "cache/source.h"

enum {
    NOTED = 500,     /* gets a second that are noted, some */
    MAX_STRIDE = 256 /* gets for one that is noted */
};

void group_seen(struct group *g, uint64_t now_ms, struct group_seen *out)
{
    size_t i;

    pthread_mutex_lock(&g->mu);
    popular_tick(&g->popular, now_ms);
    out->n_popular = popular_list(&g->popular, out->popular);
    for (i = 0; i < out->n_popular; i++)
        out->rates[i] = popular_rate(&g->popular, &out->popular[i], now_ms);
    out->n_failed = recent_list_failed(&g->recent, out->failed);
    out->n_slow = recent_list_slow(&g->recent, now_ms, out->slow);
    pthread_mutex_unlock(&g->mu);
}

static void see_item(const struct item *it, uint64_t now_ms, struct group_seen_key *out)
{
    out->value_bytes = it->value_len;
    out->cost_bytes = item_cost(it);
    out->age_s = item_age_s(it, now_ms);
    out->expires_in_ms = item_expires_ms(it) > now_ms ? item_expires_ms(it) - now_ms : 0;
}

void group_seen_key(struct group *g, const struct key_ref *k, uint64_t now_ms,
                    struct group_seen_key *out)
{
    struct found found;
    const struct item *it;
    int kind;

    memset(out, 0, sizeof(*out));
    pthread_mutex_lock(&g->mu);
    group_keep_peek_locked(g, k, &found);
    it = found.live ? found.live : found.negative ? found.negative : found.stale;
    if (it) {
        out->held = found.live ? source_name(found.source) : found.negative ? "negative" : "stale";
        see_item(it, now_ms, out);
    }
    for (kind = 0; kind < FLIGHT_KINDS; kind++) {
        const struct flight *f = flights_find(g->flights[kind], k);

        out->loading |= f != NULL;
        out->waiters += f ? f->n_waiters : 0;
    }
    pthread_mutex_unlock(&g->mu);
}

/* Once a second. */
static void choose_stride_locked(struct group *g, uint64_t now_ms)
{
    uint64_t gets = g->stats.gets - g->strided_gets;

    if (now_ms < g->strided_ms + 1000)
        return;
    gets = gets * 1000 / (now_ms - g->strided_ms);
    g->stride = gets / NOTED < MAX_STRIDE ? (unsigned)(gets / NOTED) + 1 : MAX_STRIDE;
    g->strided_ms = now_ms;
    g->strided_gets = g->stats.gets;
}

void group_seen_tick(struct group *g, uint64_t now_ms)
{
    pthread_mutex_lock(&g->mu);
    choose_stride_locked(g, now_ms);
    popular_tick(&g->popular, now_ms);
    pthread_mutex_unlock(&g->mu);
}
