/* SPDX-License-Identifier: MIT */
/* group_change.c - set, remove and flush, at this node.
 *
 * What makes a removal hold is that the flights of the key are outdated in the same critical
 * section that takes the item out: whoever waits for one gets what it brings, but that is not kept,
 * and a get from now on starts a load of its own. Across nodes the order does the rest: the owner
 * changes first, and only then do the others, so that none can fetch the old value again
 * (change/change.c). */
#include <stdint.h>

#include "base/clock.h"
#include "cache/group_in.h"

uint64_t group_whole_ms(double ttl_ms)
{
    static const double longest = 100.0 * 365 * 24 * 3600 * 1000;
    double ms = ttl_ms < longest ? ttl_ms : longest;
    uint64_t whole = (uint64_t)ms;

    return whole + ((double)whole < ms);
}

static uint64_t expiry_ms(double ttl_ms)
{
    if (!(ttl_ms > 0))
        return 1; /* over as soon as it is there */
    return clock_ms() + group_whole_ms(ttl_ms);
}

struct item *group_item(struct group *g, uint32_t hash, const void *key, size_t key_len,
                        const void *value, size_t n, const double *ttl_ms, struct error *e)
{
    uint64_t max = group_opts(g).max_value_bytes;
    struct item *it;

    if (n > max) {
        error_set(e, ERR_TOOBIG, "group %s: the value has %zu bytes, max_value_bytes is %llu",
                  g->name, n, (unsigned long long)max);
        return NULL;
    }
    it = item_new(key, key_len, hash, value, n, ttl_ms ? expiry_ms(*ttl_ms) : group_expiry_ms(g));
    if (!it)
        error_set(e, ERR_NOMEM, "no memory for a value of %zu bytes", n);
    return it;
}

/* The key is another's from here on: neither what is held nor what is on its way is of use. */
static int change_locked(struct group *g, uint32_t hash, const void *key, size_t key_len,
                         struct after *a)
{
    int kind;

    for (kind = 0; kind < FLIGHT_KINDS; kind++) {
        struct flight *f = flights_find(g->flights[kind], hash, key, key_len);

        if (f)
            flight_outdate(f);
    }
    return take_out_locked(g, hash, key, key_len, a);
}

enum err group_set(struct group *g, uint32_t hash, const void *key, size_t key_len,
                   const void *value, size_t n, const double *ttl_ms, struct error *e)
{
    struct item *it = group_item(g, hash, key, key_len, value, n, ttl_ms, e);
    struct after a;
    int kept = 1;

    after_init(&a);
    pthread_mutex_lock(&g->mu);
    change_locked(g, hash, key, key_len, &a);
    if (it && !(it->expires_ms && it->expires_ms <= clock_ms()))
        kept = put_main_locked(g, it, &a);
    g->stats.sets++;
    pthread_mutex_unlock(&g->mu);
    after_run(g, &a);
    if (!it)
        return e->code;
    if (!kept)
        error_set(e, ERR_TOOBIG,
                  "group %s: the value with its key takes %zu bytes, over an eighth of cache_bytes",
                  g->name, item_cost(it));
    item_unref(it);
    return kept ? ERR_OK : ERR_TOOBIG;
}

int group_remove(struct group *g, uint32_t hash, const void *key, size_t key_len)
{
    struct after a;
    int there;

    after_init(&a);
    pthread_mutex_lock(&g->mu);
    there = change_locked(g, hash, key, key_len, &a);
    g->stats.removes++;
    pthread_mutex_unlock(&g->mu);
    after_run(g, &a);
    return there;
}

void group_flush(struct group *g)
{
    struct lru *spare_main = lru_new(), *spare_hot = lru_new();

    pthread_mutex_lock(&g->mu);
    count_readers_locked(g);
    atomic_fetch_add_explicit(&g->epoch, 1, memory_order_release);
    flights_outdate_all(g->flights[FLIGHT_REMOTE]);
    flights_outdate_all(g->flights[FLIGHT_LOCAL]);
    g->stats.flushed_bytes += lru_clear(g->main, spare_main, &g->flushed);
    g->stats.flushed_bytes += lru_clear(g->hot, spare_hot, &g->flushed);
    g->stats.flushes++;
    pthread_mutex_unlock(&g->mu);
    lru_free(spare_main);
    lru_free(spare_hot);
}
