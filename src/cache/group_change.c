/* SPDX-License-Identifier: MIT */
/* group_change.c - set, remove and flush, at this node.
 *
 * A removal holds because it outdates the key's flights in the same critical section that removes
 * the item. The waiters of an outdated flight get its value, but the value is not kept, and a later
 * get starts a load of its own. Between nodes it holds because of the order: the owner changes
 * first and the others after it, so no node can fetch the old value again (change/change.c). */
#include <stdint.h>

#include "base/clock.h"
#include "cache/after.h"
#include "cache/group_in.h"
#include "cache/reader_hits.h"

enum { SLACK_MS = 5000 /* a change reaches the nodes one after the other */ };

/* Removes the key's item and outdates its flights. 1 when there was an item. */
static int change_locked(struct group *g, const struct key_ref *k, uint64_t name, struct after *a)
{
    int kind;

    for (kind = 0; kind < FLIGHT_KINDS; kind++) {
        struct flight *f = flights_find(g->flights[kind], k);

        if (f)
            flight_outdate(f);
    }
    changelog_note_key(&g->log, name, k->bytes, k->n, changelog_bound(g->opts.cache_bytes));
    group_tags_change_locked(g, k);
    return group_keep_take_out_locked(g, k, a);
}

/* Once the change is made: who copied the old value has done so before this time. */
static void note(struct group *g, uint64_t name)
{
    if (g->loader.changed)
        g->loader.changed(g->loader.journal, g->number, name);
}

enum err group_change_given(struct group *g, const struct key_ref *k, const struct given *v,
                            struct error *e)
{
    struct given soon = *v;
    struct item *it;
    uint64_t name = changelog_name(g->number, k->bytes, k->n);
    struct after a;
    int kept = 1;

    soon.at_once = 1;
    it = group_keep_item(g, k, &soon, e);
    after_init(&a);
    pthread_mutex_lock(&g->mu);
    change_locked(g, k, name, &a);
    if (it && it->tagged)
        item_set_tags_began(it, g->tags.last);
    if (it && !(it->mortal && item_expires_ms(it) <= clock_ms()))
        kept = group_keep_put_main_locked(g, it, &a);
    g->stats.sets++;
    pthread_mutex_unlock(&g->mu);
    after_run(g, &a);
    note(g, name);
    if (!it)
        return e->code;
    if (!kept)
        error_set(e, ERR_TOOBIG,
                  "group %s: the value with its key takes %zu bytes, over an eighth of cache_bytes",
                  g->name, item_cost(it));
    item_unref(it);
    return kept ? ERR_OK : ERR_TOOBIG;
}

enum err group_set(struct group *g, const struct key_ref *k, const void *value, size_t n,
                   const double *ttl_ms, struct error *e)
{
    const struct given v = {.bytes = value, .n = n, .ttl_ms = ttl_ms};

    return group_change_given(g, k, &v, e);
}

int group_remove(struct group *g, const struct key_ref *k)
{
    uint64_t name = changelog_name(g->number, k->bytes, k->n);
    struct after a;
    int there;

    after_init(&a);
    pthread_mutex_lock(&g->mu);
    there = change_locked(g, k, name, &a);
    g->stats.removes++;
    pthread_mutex_unlock(&g->mu);
    after_run(g, &a);
    note(g, name);
    return there;
}

int group_change_keys(struct group *g, uint64_t since_ms, struct buf *keys)
{
    int known;

    pthread_mutex_lock(&g->mu);
    known = changelog_keys(&g->log, since_ms, keys);
    pthread_mutex_unlock(&g->mu);
    return known;
}

void group_flush(struct group *g)
{
    struct lru *spare_main = lru_new(), *spare_hot = lru_new();

    pthread_mutex_lock(&g->mu);
    reader_hits_count_locked(g);
    group_all_removed_locked(g);
    flights_outdate_all(g->flights[FLIGHT_REMOTE]);
    flights_outdate_all(g->flights[FLIGHT_LOCAL]);
    g->stats.flushed_bytes += lru_clear(g->main, spare_main, &g->flushed);
    g->stats.flushed_bytes += lru_clear(g->hot, spare_hot, &g->flushed);
    changelog_note_all(&g->log);
    g->stats.flushes++;
    group_wake_locked(g);
    pthread_mutex_unlock(&g->mu);
    note(g, g->number);
    lru_free(spare_main);
    lru_free(spare_hot);
}

int group_change_names(struct group *g, uint64_t age_ms, struct buf *out)
{
    uint64_t now_ms = clock_boot_ms(), since_ms = age_ms < now_ms ? now_ms - age_ms : 0;
    int known = since_ms >= g->log.began_boot_ms; /* set once */

    if (!known)
        return 0;
    pthread_mutex_lock(&g->mu);
    known = changelog_names(&g->log, since_ms > SLACK_MS ? since_ms - SLACK_MS : 0, out);
    pthread_mutex_unlock(&g->mu);
    return known;
}
