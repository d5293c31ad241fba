/* SPDX-License-Identifier: MIT */
/* group_keep.c - which items a group keeps: two caches under one bound.
 *
 * An item is live until its end. Then it is stale, and kept for as long as the group's
 * stale_while_revalidate or stale_if_error says. Then it is expired. Expired items are removed when
 * they are looked up, and by a sweep, which looks at a part of the table in every tick. The sweep
 * costs no memory; a heap or a wheel of timers would cost 8 to 16 bytes an item. */
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include "cache/after.h"
#include "cache/group_in.h"
#include "cache/reader_hits.h"

enum {
    TAG_AT_ONCE = 8 << 20, /* bytes: from here on, the thread that makes a value makes its etag */
    ADMIT_SHARE = 8,       /* an item over an eighth of the cache is not stored */
    SAMPLE_ONE_IN = 10,    /* Go: rand.Intn(10) == 0 */
    SWEEP_MS = 10000,      /* the time of one round of the sweep */
    TAGS_SWEEP_MS = 2 * SWEEP_MS, /* after a removal of a tag the sweep looks at all items */
    SWEEP_SLICE = 512,            /* buckets looked at in one critical section: some 20 us */
    FREE_SLICE = 512,             /* items of a flush, freed in one critical section */
    FREE_A_TICK = 50000           /* items of a flush, at most */
};

/* --- making an item --- */

uint64_t group_keep_expiry_ms(struct group *g)
{
    uint64_t ttl, less;

    pthread_mutex_lock(&g->mu);
    ttl = g->opts.ttl_ms;
    less = ttl * g->opts.ttl_jitter / 1000;
    ttl -= less ? random_below(&g->random, less + 1) : 0;
    pthread_mutex_unlock(&g->mu);
    return ttl ? clock_ms() + ttl : 0;
}

uint64_t group_keep_whole_ms(double ttl_ms)
{
    static const double longest = 100.0 * 365 * 24 * 3600 * 1000;
    double ms = ttl_ms < longest ? ttl_ms : longest;
    uint64_t whole = (uint64_t)ms;

    return whole + ((double)whole < ms);
}

uint64_t group_keep_ends_ms(double ttl_ms)
{
    if (!(ttl_ms > 0))
        return 1; /* expired from the start */
    return clock_ms() + group_keep_whole_ms(ttl_ms);
}

struct item *group_keep_item(struct group *g, const struct key_ref *k, const struct given *v,
                             struct error *e)
{
    struct given form = *v;
    uint64_t max, expires_ms, n = extra_plain_bytes(v->extra, v->extra_len, v->n);
    struct extra extra;
    char *packed = NULL;
    struct item *it;
    enum packed_coding coding;

    pthread_mutex_lock(&g->mu);
    max = g->opts.max_value_bytes;
    coding = (enum packed_coding)g->opts.compress;
    pthread_mutex_unlock(&g->mu);
    if (n > max) {
        error_set(e, ERR_TOOBIG, "group %s: the value has %llu bytes, max_value_bytes is %llu",
                  g->name, (unsigned long long)n, (unsigned long long)max);
        return NULL;
    }
    if (k->n > ITEM_MAX_KEY) {
        error_set(e, ERR_INVAL, "group %s: the key has %zu bytes, and at most %d can be kept",
                  g->name, k->n, ITEM_MAX_KEY);
        return NULL;
    }
    if (coding != PACKED_NOT)
        packed = group_pack(coding, &form, &extra);
    expires_ms = v->ttl_ms ? group_keep_ends_ms(*v->ttl_ms) : group_keep_expiry_ms(g);
    it = form.own ? item_new_of(k, form.own, expires_ms, form.extra, form.extra_len)
                  : item_new_extra(k, form.bytes, form.n, expires_ms, form.extra, form.extra_len);
    if (packed)
        mem_free(packed);
    if (!it)
        error_set(e, ERR_NOMEM, "no memory for a value of %zu bytes", v->n);
    else if (v->age_s)
        item_set_age(it, v->age_s);
    if (it && it->value_len > TAG_AT_ONCE)
        item_set_etag(it, item_tag_of(item_value(it), it->value_len));
    return it;
}

/* --- looking --- */

static void sort_out(const struct item *it, enum source source, uint64_t now, struct found *out)
{
    if (it->mortal && item_expires_ms(it) <= now) {
        if (!it->negative && (!out->stale || item_expires_ms(out->stale) < item_expires_ms(it)))
            out->stale = (struct item *)(size_t)it;
    } else if (it->negative) {
        out->negative = (struct item *)(size_t)it;
    } else {
        out->live = (struct item *)(size_t)it;
        out->source = source;
    }
}

static int found_locked(struct group *g, struct lru *l, enum source source, const struct key_ref *k,
                        struct found *out, struct after *a)
{
    struct item *it = lru_get(l, k);
    uint64_t now;

    if (!it)
        return 0;
    if (!group_tags_check_locked(g, it)) {
        lru_get_missed(l);
        after_drop_item(a, lru_del(l, k));
        return 0;
    }
    now = it->mortal ? clock_ms() : 0;
    if (it->mortal && item_expires_ms(it) <= now) {
        lru_get_missed(l);
        if (group_stale_is_over_locked(g, it, now)) {
            g->stats.expired++;
            after_drop_item(a, lru_del(l, k));
            return 0;
        }
    }
    sort_out(it, source, now, out);
    return out->live || out->negative;
}

void group_keep_find_locked(struct group *g, const struct key_ref *k, struct found *out,
                            struct after *a)
{
    memset(out, 0, sizeof(*out));
    if (!found_locked(g, g->main, SOURCE_MAIN, k, out, a))
        found_locked(g, g->hot, SOURCE_HOT, k, out, a);
}

void group_keep_peek_locked(struct group *g, const struct key_ref *k, struct found *out)
{
    const struct item *it = lru_peek(g->main, k);
    uint64_t now = clock_ms();

    memset(out, 0, sizeof(*out));
    if (it && !group_stale_is_over_locked(g, it, now) && !group_tags_outdate_locked(g, it))
        sort_out(it, SOURCE_MAIN, now, out);
    if (out->live || out->negative)
        return;
    it = lru_peek(g->hot, k);
    if (it && !group_stale_is_over_locked(g, it, now) && !group_tags_outdate_locked(g, it))
        sort_out(it, SOURCE_HOT, now, out);
}

/* --- putting in and taking out --- */

static struct item *pop_flushed(struct group *g)
{
    struct list *l = list_pop_front(&g->flushed);
    struct item *it = l ? list_entry(l, struct item, order) : NULL;

    if (it)
        g->stats.flushed_bytes -= item_cost(it);
    return it;
}

/* Go's rule: hot is evicted first while it holds over an eighth of main's bytes. */
static struct item *pop_victim(struct group *g, const struct lru *into, uint64_t bytes)
{
    struct lru *first = lru_bytes(g->hot) > lru_bytes(g->main) / GROUP_HOT_SHARE ? g->hot : g->main;
    struct lru *other = first == g->hot ? g->main : g->hot;
    struct item *it = pop_flushed(g);

    if (!it)
        it = lru_evict(first, first == into ? bytes : 0);
    return it ? it : lru_evict(other, other == into ? bytes : 0);
}

/* Makes room for an item of so many bytes, to be put into one of the caches. */
static void evict_for_locked(struct group *g, const struct lru *into, uint64_t bytes,
                             struct after *a)
{
    int counted = 0;

    while (lru_bytes(g->main) + lru_bytes(g->hot) + g->stats.flushed_bytes + bytes >
           g->opts.cache_bytes) {
        struct item *victim;

        if (!counted++)
            reader_hits_count_locked(g);
        victim = pop_victim(g, into, bytes);
        if (!victim)
            break;
        after_drop_item(a, victim);
    }
}

/* Tables for many more items would leave no room for any, so they shrink before the last items are
 * evicted. */
void group_keep_evict_locked(struct group *g, struct after *a)
{
    struct item *victim;

    reader_hits_count_locked(g);
    while (lru_item_bytes(g->main) + lru_item_bytes(g->hot) + g->stats.flushed_bytes >
               g->opts.cache_bytes &&
           (victim = pop_victim(g, g->main, 0)))
        after_drop_item(a, victim);
    lru_shrink(g->main);
    lru_shrink(g->hot);
    evict_for_locked(g, g->main, 0, a);
}

/* Evicts before it puts the item in: SIEVE could evict the new item, which has no get yet. */
static int insert_locked(struct group *g, struct lru *l, struct item *it, struct after *a)
{
    if (item_cost(it) > g->opts.cache_bytes / ADMIT_SHARE) {
        if (g->unkept_bytes < item_cost(it))
            g->unkept_bytes = item_cost(it);
        return 0;
    }
    after_drop_item(a, lru_del_same(l, it));
    evict_for_locked(g, l, item_cost(it), a);
    lru_put(l, item_ref(it));
    if (lru_buckets(g->main) >= GROUP_MANY)
        atomic_store_explicit(&g->many, 1, memory_order_relaxed);
    evict_for_locked(g, l, 0, a); /* the index may have grown */
    return 1;
}

int group_keep_put_main_locked(struct group *g, struct item *it, struct after *a)
{
    return insert_locked(g, g->main, it, a);
}

int group_keep_take_out_locked(struct group *g, const struct key_ref *k, struct after *a)
{
    struct item *main = lru_del(g->main, k);
    struct item *hot = lru_del(g->hot, k);

    after_drop_item(a, main);
    after_drop_item(a, hot);
    return main || hot;
}

static int sample_locked(struct group *g)
{
    return random_below(&g->random, SAMPLE_ONE_IN) == 0;
}

/* The item of hot that would be evicted for `it`, or NULL. */
static const struct item *hot_victim(const struct group *g, const struct item *it)
{
    uint64_t main = lru_bytes(g->main), hot = lru_bytes(g->hot) + item_cost(it);

    if (main + hot + g->stats.flushed_bytes <= g->opts.cache_bytes || hot <= main / GROUP_HOT_SHARE)
        return NULL;
    return lru_next(g->hot, item_cost(it));
}

/* Whether to keep a copy of an item of another owner. */
static int mirrors_locked(struct group *g, const struct item *it, double minute_qps)
{
    switch ((enum hot_policy)g->opts.hot) {
    case HOT_SAMPLE:
        return sample_locked(g);
    case HOT_ALWAYS:
        return 1;
    case HOT_RATE:
        return g->sketch && group_hot_enough_locked(g, it, minute_qps, hot_victim(g, it));
    default:
        return 0;
    }
}

/* Whether a copy is newer than a kept copy, which may be used though stale. */
static int replaces_locked(struct group *g, const struct item *it)
{
    struct key_ref k = item_key_ref(it);

    return lru_peek(g->hot, &k) != NULL;
}

/* An older value does not stay beside a newer one that is too large: gets would go back to it. */
static void keep_in_locked(struct group *g, struct lru *l, struct item *it, struct after *a)
{
    struct key_ref k = item_key_ref(it);

    if (insert_locked(g, l, it, a))
        return;
    if (l == g->main)
        group_keep_take_out_locked(g, &k, a);
    else
        after_drop_item(a, lru_del(l, &k));
}

static void keep_item_locked(struct group *g, int ours, struct item *it, double minute_qps,
                             struct after *a)
{
    if (it->mortal && item_expires_ms(it) <= clock_ms())
        return; /* the waiters get it, and it is not kept */
    if (ours)
        keep_in_locked(g, g->main, it, a);
    else if (mirrors_locked(g, it, minute_qps) || replaces_locked(g, it))
        keep_in_locked(g, g->hot, it, a);
}

/* Without memory there is no negative item, nor of a key that is too long to be kept, and the next
 * get asks the getter again. */
static void keep_negative_locked(struct group *g, const struct flight *f, struct result *r,
                                 struct after *a)
{
    struct key_ref k = flight_key(f);
    struct item *it;

    /* A stale value is no longer true. */
    group_keep_take_out_locked(g, &k, a);
    if (f->kind == FLIGHT_LOCAL && !r->expires_ms && g->opts.negative_ttl_ms)
        r->expires_ms = clock_ms() + g->opts.negative_ttl_ms;
    if (!r->expires_ms)
        return;
    it = item_new_negative(&k, r->expires_ms);
    if (it)
        keep_item_locked(g, f->kind == FLIGHT_LOCAL, it, r->minute_qps, a);
    item_unref(it);
}

void group_keep_locked(struct group *g, const struct flight *f, struct result *r, struct after *a)
{
    int ours = f->kind == FLIGHT_LOCAL;

    if (flights_outdated(g->flights[f->kind], f) || f->fell_back)
        return;
    if (r->item && r->passing)
        return;
    if (r->item && r->item->tagged && r->source != SOURCE_STALE) {
        if (group_tags_removed_locked(g, r->item, f->tags_began))
            return;
        item_set_tags_began(r->item, g->tags.last);
    }
    if (r->item && (r->source == SOURCE_PEER || (ours && r->source == SOURCE_LOCAL)))
        keep_item_locked(g, ours, r->item, r->minute_qps, a);
    else if (!r->item && r->err.code == ERR_NOTFOUND)
        keep_negative_locked(g, f, r, a);
}

/* --- from time to time --- */

struct sweep {
    const struct group *group;
    uint64_t now;
};

static int sweep_is_over(void *arg, const struct item *it)
{
    const struct sweep *s = arg;

    return group_stale_is_over_locked(s->group, it, s->now) ||
           group_tags_outdate_locked(s->group, it);
}

static void drop_list_locked(struct after *a, struct list *items)
{
    struct list *l;

    while ((l = list_pop_front(items)))
        after_drop_item(a, list_entry(l, struct item, order));
}

/* Looks at n buckets of a cache, a slice at a time. */
static void sweep(struct group *g, struct lru *l, size_t n, uint64_t now)
{
    struct sweep s = {g, now};
    struct list over, *at;
    struct after a;

    while (n) {
        size_t slice = n < SWEEP_SLICE ? n : SWEEP_SLICE;

        after_init(&a);
        list_init(&over);
        pthread_mutex_lock(&g->mu);
        lru_sweep(l, slice, sweep_is_over, &s, &over);
        list_each (at, &over)
            g->stats.expired++;
        drop_list_locked(&a, &over);
        pthread_mutex_unlock(&g->mu);
        after_run(g, &a);
        n -= slice;
    }
}

/* How many buckets of l are due after ms. `all` is 1: immortal items may be expired, too. */
static size_t due_buckets(const struct lru *l, uint64_t ms, int all)
{
    size_t n = lru_buckets(l);

    if (!lru_mortals(l) && !all)
        return 0;
    return ms >= SWEEP_MS ? n : (size_t)(n * ms / SWEEP_MS + 1);
}

static void free_flushed(struct group *g)
{
    struct item *it;
    struct after a;
    int left = FREE_A_TICK, n;

    do {
        after_init(&a);
        pthread_mutex_lock(&g->mu);
        for (n = 0; n < FREE_SLICE && (it = pop_flushed(g)); n++)
            after_drop_item(&a, it);
        pthread_mutex_unlock(&g->mu);
        after_run(g, &a);
        left -= n;
    } while (n == FREE_SLICE && left > 0);
}

void group_keep_tick(struct group *g, uint64_t now_ms)
{
    size_t main, hot;
    uint64_t ms;
    int flushed, tags;

    pthread_mutex_lock(&g->mu);
    ms = now_ms > g->swept_ms ? now_ms - g->swept_ms : 0;
    g->swept_ms = now_ms;
    if (g->sketch) {
        reader_hits_count_locked(g); /* the sketch computes rates between two ticks */
        sketch_tick(g->sketch, now_ms);
    }
    tags = g->tags.last && now_ms < g->tags_ms + TAGS_SWEEP_MS;
    main = due_buckets(g->main, ms, tags);
    hot = due_buckets(g->hot, ms, tags);
    flushed = !list_empty(&g->flushed);
    pthread_mutex_unlock(&g->mu);
    sweep(g, g->main, main, now_ms);
    sweep(g, g->hot, hot, now_ms);
    if (flushed)
        free_flushed(g);
}

void group_keep_say_unkept(struct group *g)
{
    uint64_t bytes, cache_bytes;

    pthread_mutex_lock(&g->mu);
    bytes = g->unkept_bytes;
    cache_bytes = g->opts.cache_bytes;
    if (!cache_bytes || bytes <= 2 * g->unkept_said || bytes <= cache_bytes / ADMIT_SHARE)
        bytes = 0;
    else
        g->unkept_said = bytes;
    pthread_mutex_unlock(&g->mu);
    if (bytes)
        log_warn("group", "a value is too large to be kept, a larger cache_bytes keeps it",
                 "group=%s bytes=%llu cache_bytes=%llu needed=%llu", g->name,
                 (unsigned long long)bytes, (unsigned long long)cache_bytes,
                 (unsigned long long)bytes * ADMIT_SHARE);
}
