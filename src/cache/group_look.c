/* SPDX-License-Identifier: MIT */
/* group_look.c - the lookups of a group, its counters, and the change of its options. */
#include <stdatomic.h>

#include "base/clock.h"
#include "cache/after.h"
#include "cache/group_in.h"
#include "cache/reader_hits.h"

/* A live value of main without tags, as most gets find it; NULL: ask group_keep_find_locked(). */
static struct item *quick_locked(struct group *g, const struct key_ref *k)
{
    struct item *it = lru_peek(g->main, k);

    if (!it || it->negative || it->tagged || (it->mortal && item_expires_ms(it) <= clock_ms()))
        return NULL;
    lru_use(g->main, it);
    return it;
}

struct item *group_look_locked(struct group *g, const struct key_ref *k, enum source *source,
                               struct after *a)
{
    struct item *it = quick_locked(g, k);
    struct found found;

    *source = SOURCE_MAIN;
    g->stats.gets++;
    group_hot_count_locked(g, k->hash);
    group_seen_note_locked(g, k);
    if (!it) {
        group_keep_find_locked(g, k, &found, a);
        it = found.live;
        *source = found.source;
    }
    if (it && g->opts.refresh_ahead)
        a->ahead = group_ahead_is_due_locked(g, it);
    g->stats.cache_hits += it ? 1 : 0;
    return it;
}

struct item *group_lookup(struct group *g, const struct key_ref *k, int from_peer,
                          enum source *source)
{
    struct item *it;
    struct after a;

    after_init(&a);
    pthread_mutex_lock(&g->mu);
    g->stats.server_requests += from_peer ? 1 : 0;
    it = group_look_locked(g, k, source, &a);
    if (it)
        item_ref(it);
    pthread_mutex_unlock(&g->mu);
    if (a.dropped)
        after_run(g, &a);
    if (a.ahead)
        group_load_ahead(g, k);
    return it;
}

int group_look_or_load(struct group *g, const struct key_ref *k, int from_peer, struct waiter *w,
                       struct result *now)
{
    now->item = group_lookup(g, k, from_peer, &now->source);
    return now->item || group_load(g, k, from_peer, w, now);
}

struct item *group_peek(struct group *g, const struct key_ref *k, enum source *source)
{
    struct found found;
    struct item *it;

    pthread_mutex_lock(&g->mu);
    group_keep_peek_locked(g, k, &found);
    it = found.live ? found.live : found.stale;
    if (it)
        item_ref(it);
    pthread_mutex_unlock(&g->mu);
    *source = found.live ? found.source : SOURCE_STALE;
    return it;
}

void group_stats(struct group *g, struct stats *out)
{
    pthread_mutex_lock(&g->mu);
    reader_hits_count_locked(g);
    *out = g->stats;
    out->flights =
        flights_count(g->flights[FLIGHT_REMOTE]) + flights_count(g->flights[FLIGHT_LOCAL]);
    out->waiters = g->waiters;
    out->cache_bytes = g->opts.cache_bytes;
    out->breaker_open = (uint64_t)breaker_is_open(&g->breaker);
    lru_stats(g->main, &out->main);
    lru_stats(g->hot, &out->hot);
    pthread_mutex_unlock(&g->mu);
}

void group_configure(struct group *g, const struct group_texts *texts,
                     const struct group_opts *opts)
{
    struct sketch *spare = group_hot_sketch(opts);
    int turned; /* from values to messages of HTTP, or back */
    struct after a;

    if (opts->writable) /* else a group that asked for a token could be changed without it */
        group_set_texts(g, texts);
    atomic_store(&g->local_only, opts->local_only != 0);
    atomic_store(&g->http, (unsigned)opts->http);
    group_note_calls(g, opts);
    after_init(&a);
    pthread_mutex_lock(&g->mu);
    turned = !g->opts.http != !opts->http;
    g->opts = *opts;
    group_set_eviction_locked(g);
    group_calm_configure_locked(g);
    group_ahead_note_locked(g);
    spare = group_hot_configure_locked(g, spare);
    group_keep_evict_locked(g, &a);
    group_places_start_locked(g, &a); /* there may be more places */
    pthread_mutex_unlock(&g->mu);
    group_set_texts(g, texts);
    sketch_free(spare);
    after_run(g, &a);
    if (turned)
        group_flush(g); /* each would be taken for the other */
}
