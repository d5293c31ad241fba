/* SPDX-License-Identifier: MIT */
/* memory.c - what groups cost the process, against what they may.
 *
 *   memory fill  [items=1000000] [key=12] [value=100] [tags=0]
 *   memory churn [mix=small|medium|mixed|turns] [cache_mb=64] [groups=1] [threads=2] [times=10]
 *
 * fill puts that many items in and says what each takes beyond its key and value, as the group
 * counts and by resident memory. With tags, each item has so many, and then some of them are
 * removed: what such a call takes. churn loads `times` the cache's worth of new keys through the
 * groups: each is missed, loaded, answered and evicted in its time, and looked up again now and
 * then. Values have 16 bytes, 1 KB, or any size between 16 bytes and 128 KB. As many are between 16
 * and 32 bytes as between 64 and 128 KB. With `turns` all are small, then medium, then mixed, which
 * leaves holes in an allocator. An answer is held for a while and given up by whichever thread
 * comes by, as servers do. The peak is the kernel's own (VmHWM).
 *
 * One line of key=value pairs on stdout. Which allocator serves is for whoever starts it to say:
 * bench/memory/allocators.sh does. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"
#include "cache/group.h"
#include "cache/item.h"
#include "cache/tags.h"

enum {
    KEY_MAX = 250,
    SMALLEST_LOG2 = 4,
    SIZES_LOG2 = 13, /* 16 bytes times 2^0 to 2^13: 128 KB */
    SMALL = 16,
    MEDIUM = 1024,
    HELD = 32, /* answers that are under way at any time */
    MAX_GROUPS = 16,
    MAX_THREADS = 16,
    TAGS = 1000,     /* different ones */
    REMOVALS = 1000, /* of tags that no item has, then one of a tag that some have */
    TICK_US = 50000  /* as a node does */
};

enum mix { MIX_SMALL, MIX_MEDIUM, MIX_MIXED, MIX_TURNS, MIXES };
static const char *const mix_names[MIXES] = {"small", "medium", "mixed", "turns"};

static struct settings {
    enum mix mix;
    size_t items, key, value, cache_mb, groups, threads, times, tags;
} settings = {MIX_MIXED, 1000000, 12, 100, 64, 1, 2, 10, 0};

static struct group *groups[MAX_GROUPS];
static _Atomic(struct item *) held[HELD];
static atomic_ullong loaded, gets; /* what the items cost; how many */
static atomic_int stop;
static char source[1 << (SMALLEST_LOG2 + SIZES_LOG2)];

static uint64_t next_random(uint64_t *r)
{
    *r ^= *r << 13;
    *r ^= *r >> 7;
    *r ^= *r << 17;
    return *r;
}

/* A line of /proc/self/status in bytes. */
static size_t status_bytes(const char *name)
{
    FILE *f = fopen("/proc/self/status", "r");
    char line[256];
    size_t kb = 0;

    while (f && fgets(line, sizeof(line), f))
        if (strncmp(line, name, strlen(name)) == 0)
            kb = strtoul(line + strlen(name), NULL, 10);
    if (f)
        fclose(f);
    return kb * 1024;
}

/* Processor time of all threads: what others do on the machine is not in it. */
static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* --- groups whose getter gives what the asking thread wants --- */

static _Thread_local size_t wanted; /* bytes of the value */

/* The tag of that number: a thousandth of the items have it. */
static size_t name_tag(char out[32], uint64_t n)
{
    return (size_t)snprintf(out, 32, "tag:%llu", (unsigned long long)n);
}

static void load(void *ctx, struct flight *f)
{
    static _Thread_local struct extra x;
    static _Thread_local uint64_t random = 88172645463325252u;
    struct given v = {.bytes = source, .n = wanted, .extra = x.bytes};
    struct error e;
    char tag[32];
    size_t i;

    (void)ctx;
    extra_init(&x);
    for (i = 0; i < settings.tags; i++)
        extra_put_tag(&x, tag, name_tag(tag, next_random(&random) % TAGS), &e);
    v.extra_len = x.n;
    group_end_given(f, &v, &e);
}

static struct group *new_group(size_t cache_bytes)
{
    struct loader loader = {.local = load};
    struct group_opts o;

    group_opts_init(&o);
    o.cache_bytes = cache_bytes;
    o.local_only = 1;
    return group_new("memory", "text/plain", &o, &loader);
}

static void hold(struct item *it, uint64_t *random)
{
    item_unref(atomic_exchange(&held[next_random(random) % HELD], it));
}

/* Asks for a key that nobody had yet, and for an older one. Returns what the new item costs. */
static size_t ask(struct group *g, uint64_t n, uint64_t *random)
{
    char key[KEY_MAX + 1];
    struct key_ref k;
    struct result r;
    size_t cost = 0;

    snprintf(key, sizeof(key), "%0*llu", (int)settings.key, (unsigned long long)n);
    k = group_key(key, settings.key);
    if (group_get(g, &k, 0, &r) == ERR_OK) {
        cost = item_cost(r.item);
        hold(r.item, random);
    }
    if (n % 4 == 0) {
        enum source from;
        uint64_t older = n - next_random(random) % (n < 1000 ? n + 1 : 1000);

        snprintf(key, sizeof(key), "%0*llu", (int)settings.key, (unsigned long long)older);
        k = group_key(key, settings.key);
        item_unref(group_lookup(g, &k, 0, &from));
    }
    atomic_fetch_add(&gets, 1);
    return cost;
}

static size_t value_bytes(enum mix mix, uint64_t *random)
{
    if (mix == MIX_SMALL)
        return SMALL;
    if (mix == MIX_MEDIUM)
        return MEDIUM;
    /* uniform in its logarithm, up to the next power of two, and uniform there */
    size_t least = (size_t)1 << (SMALLEST_LOG2 + next_random(random) % SIZES_LOG2);
    return least + next_random(random) % least;
}

static void *churn_main(void *arg)
{
    uint64_t who = (uint64_t)(uintptr_t)arg, random = (who + 1) * 0x9e3779b97f4a7c15u, n = who;
    uint64_t all = (uint64_t)settings.cache_mb * 1000000 * settings.groups,
             want = all * settings.times;

    for (;;) {
        uint64_t done = atomic_load_explicit(&loaded, memory_order_relaxed);
        enum mix mix = settings.mix;

        if (done >= want)
            return NULL;
        if (mix == MIX_TURNS)
            mix = (enum mix)(done / (all * 2) % MIX_TURNS); /* each fills the cache twice */
        wanted = value_bytes(mix, &random);
        atomic_fetch_add(&loaded, ask(groups[next_random(&random) % settings.groups], n, &random));
        n += settings.threads;
    }
}

static void *tick_main(void *arg)
{
    (void)arg;
    while (!atomic_load(&stop)) {
        size_t i;

        for (i = 0; i < settings.groups; i++)
            group_tick(groups[i], clock_ms());
        usleep(TICK_US);
    }
    return NULL;
}

/* --- the two programs --- */

static uint64_t counted(uint64_t *items)
{
    uint64_t bytes = 0;
    size_t i;

    *items = 0;
    for (i = 0; i < settings.groups; i++) {
        struct stats s;

        group_stats(groups[i], &s);
        bytes += s.main.bytes + s.hot.bytes;
        *items += s.main.items + s.hot.items;
    }
    return bytes;
}

static void churn(void)
{
    pthread_t threads[MAX_THREADS], ticker;
    uint64_t bytes = (uint64_t)settings.cache_mb * 1000000, items, began;
    size_t i, rss, base;

    memset(source, 'v', sizeof(source));
    mem_share_heap(); /* as a node does; the environment may keep it from it */
    base = status_bytes("VmRSS:");
    for (i = 0; i < settings.groups; i++)
        groups[i] = new_group(bytes);
    began = now_ns();
    thread_start(&ticker, "tick", 0, tick_main, NULL, NULL);
    for (i = 0; i < settings.threads; i++)
        thread_start(&threads[i], "churn", 0, churn_main, (void *)i, NULL);
    for (i = 0; i < settings.threads; i++)
        pthread_join(threads[i], NULL);
    began = now_ns() - began;
    atomic_store(&stop, 1);
    pthread_join(ticker, NULL);
    rss = status_bytes("VmRSS:");
    bytes *= settings.groups;
    printf("mix=%s cache_bytes=%llu groups=%zu counted=%llu", mix_names[settings.mix],
           (unsigned long long)bytes, settings.groups, (unsigned long long)counted(&items));
    printf(" items=%llu rss_before=%zu rss_max=%zu rss_after=%zu max_per_cache_byte=%.3f "
           "cpu_ns_per_load=%llu\n",
           (unsigned long long)items, base, status_bytes("VmHWM:"), rss,
           (double)status_bytes("VmHWM:") / (double)bytes,
           (unsigned long long)(began / atomic_load(&gets)));
}

/* The wall-clock time of one removal, and how many items it took. */
static void remove_tags(void)
{
    uint64_t began = clock_real_ns(), gone = 0, n;
    enum source from;
    char key[KEY_MAX + 1], tag[32];
    struct key_ref k;

    for (n = 0; n < REMOVALS; n++) {
        tags_key(key, extra_tag_hash(tag, name_tag(tag, TAGS + n)));
        k = group_key(key, TAGS_KEY);
        group_remove(groups[0], &k);
    }
    printf(" remove_ns=%llu", (unsigned long long)((clock_real_ns() - began) / REMOVALS));
    tags_key(key, extra_tag_hash(tag, name_tag(tag, 7)));
    k = group_key(key, TAGS_KEY);
    group_remove(groups[0], &k);
    for (n = 0; n < settings.items; n++) {
        struct item *it;

        snprintf(key, sizeof(key), "%0*llu", (int)settings.key, (unsigned long long)n);
        k = group_key(key, settings.key);
        it = group_lookup(groups[0], &k, 0, &from);
        gone += it ? 0 : 1;
        item_unref(it);
    }
    printf(" removed=%llu\n", (unsigned long long)gone);
}

static void fill(void)
{
    size_t before, after, bytes = settings.items * (settings.key + settings.value);
    uint64_t n, random = 1, cost, items, began;

    memset(source, 'v', sizeof(source));
    before = status_bytes("VmRSS:");
    settings.groups = 1;
    groups[0] = new_group(bytes * 4 + 100000000);
    wanted = settings.value;
    began = now_ns();
    for (n = 0; n < settings.items; n++)
        ask(groups[0], n, &random);
    began = now_ns() - began;
    cost = counted(&items);
    after = status_bytes("VmRSS:");
    printf("items=%llu key=%zu value=%zu counted_each=%.1f rss_each=%.1f cpu_ns_per_load=%llu",
           (unsigned long long)items, settings.key, settings.value,
           (double)(cost - bytes) / (double)items, (double)(after - before - bytes) / (double)items,
           (unsigned long long)(began / settings.items));
    if (settings.tags)
        remove_tags();
    else
        puts("");
}

static int set(const char *arg)
{
    static const struct {
        const char *name;
        size_t *at, least, most;
    } numbers[] = {
        {"items=", &settings.items, 1, SIZE_MAX},
        {"key=", &settings.key, 1, KEY_MAX},
        {"value=", &settings.value, 0, sizeof(source)},
        {"cache_mb=", &settings.cache_mb, 1, SIZE_MAX},
        {"groups=", &settings.groups, 1, MAX_GROUPS},
        {"threads=", &settings.threads, 1, MAX_THREADS},
        {"times=", &settings.times, 1, SIZE_MAX},
        {"tags=", &settings.tags, 0, EXTRA_TAGS},
    };
    size_t i, n;

    for (i = 0; strncmp(arg, "mix=", 4) == 0 && i < MIXES; i++)
        if (strcmp(arg + 4, mix_names[i]) == 0) {
            settings.mix = (enum mix)i;
            return 1;
        }
    for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        size_t len = strlen(numbers[i].name);

        if (strncmp(arg, numbers[i].name, len) != 0)
            continue;
        n = strtoul(arg + len, NULL, 10);
        *numbers[i].at = n;
        return n >= numbers[i].least && n <= numbers[i].most;
    }
    return 0;
}

int main(int argc, char **argv)
{
    int i;

    for (i = 2; i < argc; i++)
        if (!set(argv[i])) {
            fprintf(stderr, "memory: what is %s?\n", argv[i]);
            return 2;
        }
    if (argc > 1 && strcmp(argv[1], "fill") == 0)
        fill();
    else if (argc > 1 && strcmp(argv[1], "churn") == 0)
        churn();
    else
        fprintf(stderr, "usage: memory fill|churn [name=value ...]\n");
    return argc > 1 ? 0 : 2;
}
