/* SPDX-License-Identifier: MIT */
/* group.c - a group's life, its lookups and its counters. */
#include "cache/group.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "cache/group_in.h"

/* A text of the group's, and those it had before: a reader may still hold one, so all of them live
 * as long as the group, each once. */
struct text {
    struct text *older;
    char bytes[];
};

void group_opts_init(struct group_opts *o)
{
#define X(type, name, def) o->name = (def);
    GROUP_NUMBERS(X)
#undef X
}

uint32_t group_hash(const void *key, size_t key_len)
{
    return (uint32_t)hash_table(key, key_len);
}

static struct text *keep_text(struct group *g, const char *bytes)
{
    struct text *t;
    size_t n = strlen(bytes) + 1;

    for (t = g->texts; t && strcmp(t->bytes, bytes) != 0; t = t->older)
        ;
    if (!t) {
        t = mem_zalloc(sizeof(*t) + n);
        memcpy(t->bytes, bytes, n);
        t->older = g->texts;
        g->texts = t;
    }
    return t;
}

static void set_eviction(struct group *g, const struct group_opts *o)
{
    lru_set_eviction(g->main, (enum eviction)o->eviction);
    lru_set_eviction(g->hot, (enum eviction)o->eviction);
}

struct group *group_new(const char *name, const char *content_type, const struct group_opts *opts,
                        const struct loader *loader)
{
    struct group *g = mem_zalloc(sizeof(*g));

    g->name = mem_strdup(name);
    atomic_init(&g->content_type, keep_text(g, content_type));
    atomic_init(&g->pass_headers, keep_text(g, ""));
    g->opts = *opts;
    atomic_init(&g->local_only, opts->local_only != 0);
    g->sketch = hot_sketch(opts);
    atomic_init(&g->measured, g->sketch != NULL);
    g->loader = *loader;
    atomic_init(&g->refs, 1);
    pthread_mutex_init(&g->mu, NULL);
    g->main = lru_new();
    g->hot = lru_new();
    set_eviction(g, opts);
    g->flights[FLIGHT_REMOTE] = flights_new();
    g->flights[FLIGHT_LOCAL] = flights_new();
    list_init(&g->queue);
    list_init(&g->flushed);
    list_init(&g->readers);
    atomic_init(&g->epoch, 1);
    g->swept_ms = clock_ms();
    g->random = hash_table(name, strlen(name)) | 1;
    return g;
}

struct group *group_ref(struct group *g)
{
    atomic_fetch_add_explicit(&g->refs, 1, memory_order_relaxed);
    return g;
}

void group_unref(struct group *g)
{
    struct list *l;
    struct text *t;

    if (!g || atomic_fetch_sub_explicit(&g->refs, 1, memory_order_acq_rel) != 1)
        return;
    lru_free(g->main);
    lru_free(g->hot);
    sketch_free(g->sketch);
    while ((l = list_pop_front(&g->flushed)))
        item_unref(list_entry(l, struct item, order));
    flights_free(g->flights[FLIGHT_REMOTE]);
    flights_free(g->flights[FLIGHT_LOCAL]);
    pthread_mutex_destroy(&g->mu);
    mem_free(g->name);
    while ((t = g->texts)) {
        g->texts = t->older;
        mem_free(t);
    }
    mem_free(g);
}

const char *group_name(const struct group *g)
{
    return g->name;
}

void *group_ctx(const struct group *g)
{
    return g->loader.ctx;
}

const char *group_content_type(const struct group *g)
{
    return atomic_load_explicit(&g->content_type, memory_order_acquire)->bytes;
}

const char *group_pass_headers(const struct group *g)
{
    return atomic_load_explicit(&g->pass_headers, memory_order_acquire)->bytes;
}

struct group_opts group_opts(struct group *g)
{
    struct group_opts o;

    pthread_mutex_lock(&g->mu);
    o = g->opts;
    pthread_mutex_unlock(&g->mu);
    return o;
}

void group_configure(struct group *g, const char *content_type, const char *pass_headers,
                     const struct group_opts *opts)
{
    struct sketch *spare = hot_sketch(opts);
    struct after a;

    atomic_store(&g->content_type, keep_text(g, content_type));
    atomic_store(&g->pass_headers, keep_text(g, pass_headers));
    atomic_store(&g->local_only, opts->local_only != 0);
    after_init(&a);
    pthread_mutex_lock(&g->mu);
    g->opts = *opts;
    set_eviction(g, opts);
    spare = hot_configure_locked(g, spare);
    evict_locked(g, &a);
    start_queued_locked(g, &a); /* max_loads may have grown */
    pthread_mutex_unlock(&g->mu);
    sketch_free(spare);
    after_run(g, &a);
}

/* A live value of main, which is what most gets find; NULL: find_locked() is to be asked. */
static struct item *quick_locked(struct group *g, uint32_t hash, const void *key, size_t key_len)
{
    struct item *it = lru_peek(g->main, hash, key, key_len);

    if (!it || it->negative || (it->expires_ms && it->expires_ms <= clock_ms()))
        return NULL;
    lru_use(g->main, it);
    return it;
}

struct item *look_locked(struct group *g, uint32_t hash, const void *key, size_t key_len,
                         enum source *source, struct after *a)
{
    struct item *it = quick_locked(g, hash, key, key_len);
    struct found found;

    *source = SOURCE_MAIN;
    g->stats.gets++;
    hot_count_locked(g, hash);
    if (!it) {
        find_locked(g, hash, key, key_len, &found, a);
        it = found.live;
        *source = found.source;
    }
    g->stats.cache_hits += it ? 1 : 0;
    return it;
}

struct item *group_lookup(struct group *g, uint32_t hash, const void *key, size_t key_len,
                          int from_peer, enum source *source)
{
    struct item *it;
    struct after a;

    after_init(&a);
    pthread_mutex_lock(&g->mu);
    g->stats.server_requests += from_peer ? 1 : 0;
    it = look_locked(g, hash, key, key_len, source, &a);
    if (it)
        item_ref(it);
    pthread_mutex_unlock(&g->mu);
    if (a.dropped)
        after_run(g, &a);
    return it;
}

struct item *group_peek(struct group *g, uint32_t hash, const void *key, size_t key_len,
                        enum source *source)
{
    struct found found;
    struct item *it;

    pthread_mutex_lock(&g->mu);
    peek_locked(g, hash, key, key_len, &found);
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
    count_readers_locked(g);
    *out = g->stats;
    out->flights =
        flights_count(g->flights[FLIGHT_REMOTE]) + flights_count(g->flights[FLIGHT_LOCAL]);
    out->waiters = g->waiters;
    lru_stats(g->main, &out->main);
    lru_stats(g->hot, &out->hot);
    pthread_mutex_unlock(&g->mu);
}
