/* SPDX-License-Identifier: MIT */
/* group.c - a group's life and its fields. */
#include "cache/group.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "cache/changelog.h"
#include "cache/group_in.h"

/* A text of the group, linked to the texts that it had before. Another thread may still read one,
 * so all of them live as long as the group, each once. */
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

enum err group_late(const struct group *g, uint64_t timeout_ms, struct error *e)
{
    return error_set(e, ERR_TIMEOUT, "group %s: no value within %g s", g->name,
                     (double)timeout_ms / 1000);
}

void group_count_key(struct group *g, int failed)
{
    pthread_mutex_lock(&g->mu);
    g->stats.key_calls++;
    g->stats.key_errors += failed ? 1 : 0;
    pthread_mutex_unlock(&g->mu);
}

uint32_t group_hash(const void *key, size_t n)
{
    return (uint32_t)hash_table(key, n);
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

void group_set_texts(struct group *g, const struct group_texts *texts)
{
    atomic_store(&g->content_type, keep_text(g, texts->content_type));
    atomic_store(&g->pass_headers, keep_text(g, texts->pass_headers));
    atomic_store(&g->writers, keep_text(g, texts->writers));
    atomic_store(&g->keying, keep_text(g, texts->keying));
}

void group_set_eviction_locked(struct group *g)
{
    lru_set_eviction(g->main, (enum eviction)g->opts.eviction);
    lru_set_eviction(g->hot, (enum eviction)g->opts.eviction);
    lru_set_room(g->main, g->opts.cache_bytes);
    lru_set_room(g->hot, g->opts.cache_bytes / GROUP_HOT_SHARE);
}

void group_note_calls(struct group *g, const struct group_opts *opts)
{
    atomic_store(&g->max_keys, (unsigned)opts->max_keys);
    atomic_store(&g->max_loads, (unsigned)opts->max_loads);
    atomic_store(&g->gather_ms, (unsigned)opts->gather_ms);
}

struct group *group_new(const char *name, const char *content_type, const struct group_opts *opts,
                        const struct loader *loader)
{
    struct group *g = mem_zalloc(sizeof(*g));

    g->name = mem_strdup(name);
    g->number = changelog_group(name);
    atomic_init(&g->content_type, keep_text(g, content_type));
    atomic_init(&g->pass_headers, keep_text(g, ""));
    atomic_init(&g->writers, keep_text(g, ""));
    atomic_init(&g->keying, keep_text(g, ""));
    g->opts = *opts;
    atomic_init(&g->local_only, opts->local_only != 0);
    atomic_init(&g->http, (unsigned)opts->http);
    group_note_calls(g, opts);
    list_init(&g->calls.list);
    g->sketch = group_hot_sketch(opts);
    atomic_init(&g->ahead_ms, 0); /* until the first load has ended */
    atomic_init(&g->measured, g->sketch != NULL);
    g->loader = *loader;
    atomic_init(&g->refs, 1);
    pthread_mutex_init(&g->mu, NULL);
    g->main = lru_new();
    g->hot = lru_new();
    lru_count_taken(g->main, &g->removed);
    group_set_eviction_locked(g);
    g->flights[FLIGHT_REMOTE] = flights_new();
    g->flights[FLIGHT_LOCAL] = flights_new();
    list_init(&g->queues[0]);
    list_init(&g->queues[1]);
    list_init(&g->flushed);
    list_init(&g->readers);
    awake_link_init(&g->awake_link);
    tags_init(&g->tags);
    changelog_init(&g->log, g->number);
    g->stride = GROUP_FIRST_STRIDE;
    atomic_init(&g->removed, 1);
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
    tags_deinit(&g->tags);
    changelog_deinit(&g->log);
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

const char *group_writers(const struct group *g)
{
    return atomic_load_explicit(&g->writers, memory_order_acquire)->bytes;
}

const char *group_keying(const struct group *g)
{
    return atomic_load_explicit(&g->keying, memory_order_acquire)->bytes;
}

unsigned group_http(const struct group *g)
{
    return atomic_load_explicit(&g->http, memory_order_relaxed);
}

unsigned group_max_keys(const struct group *g)
{
    return atomic_load_explicit(&g->max_keys, memory_order_relaxed);
}

int group_cancel(struct group *g, struct waiter *w)
{
    int left;

    pthread_mutex_lock(&g->mu);
    left = flight_leave(w);
    g->waiters -= left ? 1 : 0;
    pthread_mutex_unlock(&g->mu);
    return left;
}

unsigned group_max_loads(const struct group *g)
{
    return atomic_load_explicit(&g->max_loads, memory_order_relaxed);
}

unsigned group_gather_ms(const struct group *g)
{
    return atomic_load_explicit(&g->gather_ms, memory_order_relaxed);
}

struct calls *group_calls(struct group *g)
{
    return &g->calls;
}

struct group_opts group_opts(struct group *g)
{
    struct group_opts o;

    pthread_mutex_lock(&g->mu);
    o = g->opts;
    pthread_mutex_unlock(&g->mu);
    return o;
}

int group_hold(struct group *g)
{
    if (!g->loader.hold || atomic_load(&g->closed))
        return 0;
    g->loader.hold(g->loader.ctx);
    return 1;
}

void group_release(struct group *g)
{
    g->loader.release(g->loader.ctx);
}

int group_is_closed(const struct group *g)
{
    return atomic_load(&g->closed);
}
