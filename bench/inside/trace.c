/* SPDX-License-Identifier: MIT */
/* trace.c - the part of gets that are hits when recorded requests are played to the engine's group.
 *
 *   trace FILE PERCENT EVICTION VALUE [NODES]
 *
 * FILE has object numbers, 32 bits each, little-endian; a name that ends in .zst is read by zstd.
 * PERCENT of the objects fit into the cache as LRU keeps them: the others have the same
 * cache_bytes. EVICTION is lru, sieve, adaptive or opt: the hits of Belady's algorithm, which knows
 * the requests to come, for that part of the objects, whatever their sizes. VALUE is a value's size
 * in bytes; 0: sizes from 64 to 8192, each power of two as often as the next, by the hash of the
 * object.
 *
 * With NODES there are as many groups, with hot = "rate" and an equal share of the bytes. An object
 * is owned by one of them, and each request comes to the next of them. A get is a hit if no getter
 * ran: the node has a copy, or the owner has the value. No time passes, so that a key is hot at its
 * fifth get, which is the worst case: a copy takes the place of another key.
 *
 * Prints one line of figures, "bench name=number ...". */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/log.h"
#include "cache/group.h"

enum { MAX_NODES = 16, KEY_MAX = 16, VALUE_MAX = 8192, FIRST_BUCKETS = 64 };

static char bytes[VALUE_MAX];
static unsigned value_bytes, nodes = 1;
static struct group *groups[MAX_NODES];
static unsigned now_asked; /* the size of the value that is asked for */
static uint64_t getters;   /* that have run */

struct asked {
    struct waiter waiter;
    int ended;
};

struct trace {
    uint32_t *ids;
    size_t n;
    uint32_t objects;
};

static void die(const char *what)
{
    fprintf(stderr, "trace: %s\n", what);
    exit(1);
}

static FILE *open_trace(const char *path, int packed)
{
    char command[4096];

    if (!packed)
        return fopen(path, "rb");
    snprintf(command, sizeof(command), "zstd -dcq '%s'", path);
    return popen(command, "r"); /* NOLINT: a bench, given its file by hand */
}

static struct trace read_trace(const char *path)
{
    size_t len = strlen(path), room = 0, i;
    int packed = len > 4 && strcmp(path + len - 4, ".zst") == 0;
    FILE *f = open_trace(path, packed);
    struct trace t = {0};
    unsigned char four[4];

    if (!f)
        die("cannot open the file");
    while (fread(four, sizeof(four), 1, f) == 1) {
        if (t.n == room) {
            room = room ? room * 2 : 1 << 16;
            t.ids = realloc(t.ids, room * sizeof(*t.ids));
            if (!t.ids)
                die("no memory");
        }
        t.ids[t.n++] = (uint32_t)four[0] | (uint32_t)four[1] << 8 | (uint32_t)four[2] << 16 |
                       (uint32_t)four[3] << 24;
    }
    if (packed)
        pclose(f);
    else
        fclose(f);
    if (!t.n)
        die("the file has no requests");
    for (i = 0; i < t.n; i++)
        t.objects = t.ids[i] >= t.objects ? t.ids[i] + 1 : t.objects;
    return t;
}

static unsigned size_of(uint32_t id)
{
    if (value_bytes)
        return value_bytes;
    return (unsigned)(64 * exp2((double)hash_crc32(&id, sizeof(id)) / 4294967296.0 * 7));
}

static struct key_ref key_of(uint32_t id, char *text)
{
    return group_key(text, (size_t)snprintf(text, KEY_MAX, "%u", id));
}

/* What so many of the objects cost, and the index that LRU has for them. */
static uint64_t budget(const struct trace *t, double percent)
{
    double kept = floor(t->objects * percent / 100), sum = 0;
    uint64_t buckets = FIRST_BUCKETS;
    uint32_t i;

    for (i = 0; i < t->objects; i++) {
        char text[KEY_MAX];
        struct key_ref k = key_of(i, text);
        struct item *it = item_new(&k, bytes, size_of(i), 0);

        if (!it)
            die("no memory");
        sum += (double)item_cost(it);
        item_unref(it);
    }
    while ((double)buckets < kept)
        buckets *= 2;
    return (uint64_t)(sum / t->objects * kept) +
           (buckets + FIRST_BUCKETS) * sizeof(struct item *); /* hot has an index, too */
}

/* --- opt (Belady: "A study of replacement algorithms for a virtual-storage computer", 1966) --- */

/* An object and the request at which it is asked for next. */
struct use {
    size_t next;
    uint32_t id;
};

/* A heap with the latest use at its top. */
struct heap {
    struct use *uses;
    size_t n;
};

static void heap_push(struct heap *h, struct use u)
{
    size_t i = h->n++;

    for (; i && h->uses[(i - 1) / 2].next < u.next; i = (i - 1) / 2)
        h->uses[i] = h->uses[(i - 1) / 2];
    h->uses[i] = u;
}

static struct use heap_pop(struct heap *h)
{
    struct use top = h->uses[0], last = h->uses[--h->n];
    size_t i = 0, child;

    for (; (child = 2 * i + 1) < h->n; i = child) {
        child += child + 1 < h->n && h->uses[child + 1].next > h->uses[child].next;
        if (h->uses[child].next <= last.next)
            break;
        h->uses[i] = h->uses[child];
    }
    h->uses[i] = last;
    return top;
}

static void *zeroed(size_t n, size_t size)
{
    void *p = calloc(n ? n : 1, size);

    if (!p)
        die("no memory");
    return p;
}

/* next[i]: the request after i for its object; the number of requests: there is none. */
static size_t *next_uses(const struct trace *t)
{
    size_t *next = zeroed(t->n, sizeof(*next)), *seen = zeroed(t->objects, sizeof(*seen)), i;

    for (i = t->n; i-- > 0;) {
        next[i] = seen[t->ids[i]] ? seen[t->ids[i]] : t->n;
        seen[t->ids[i]] = i;
    }
    free(seen);
    return next;
}

/* The heap keeps past uses of an object, too; those are not at[] any more. */
static double opt_hits(const struct trace *t, size_t room)
{
    size_t *next = next_uses(t), *at = zeroed(t->objects, sizeof(*at)), held = 0, i;
    struct heap h = {.uses = zeroed(t->n, sizeof(struct use))};
    double hits = 0;

    for (i = 0; i < t->n; i++) {
        uint32_t id = t->ids[i];

        hits += at[id] ? 1 : 0;
        held += at[id] ? 0 : 1;
        at[id] = next[i];
        heap_push(&h, (struct use){.next = next[i], .id = id});
        while (held > room) {
            struct use u = heap_pop(&h);

            if (at[u.id] != u.next)
                continue;
            at[u.id] = 0;
            held--;
        }
    }
    free(next);
    free(at);
    free(h.uses);
    return hits;
}

/* --- a node: its loader's ctx is its place in groups[] --- */

static struct group *owner_of(const char *key, size_t n)
{
    return groups[hash_crc32(key, n) % nodes];
}

static struct peer *owner(void *ctx, const void *key, size_t n)
{
    struct group *own = owner_of(key, n);

    return own == *(struct group **)ctx ? NULL : (struct peer *)(void *)own;
}

static void disown(void *ctx, struct peer *own)
{
    (void)ctx, (void)own;
}

static void load(void *ctx, struct flight *f)
{
    struct error e;

    (void)ctx;
    getters++;
    group_finish_value(f, bytes, now_asked, NULL, &e);
}

static void woken(struct waiter *w, const struct result *r)
{
    (void)r;
    ((struct asked *)(void *)w)->ended = 1;
}

static struct item *get(struct group *g, const struct key_ref *k, int from_peer)
{
    struct asked a = {.waiter.wake = woken};
    enum source source;
    struct item *it = group_lookup(g, k, from_peer, &source);
    struct result now;

    if (it)
        return it;
    if (group_load(g, k, from_peer, &a.waiter, &now) || !a.ended)
        die("a load that did not end at once");
    return NULL;
}

/* The owner answers with the value, and how often it is asked for. */
static void remote(void *ctx, struct flight *f, struct peer *peer)
{
    struct group *own = (struct group *)(void *)peer;
    struct key_ref k = flight_key(f);
    struct result r = {.source = SOURCE_PEER};
    const struct given v = {.bytes = bytes, .n = now_asked};
    struct error e;

    item_unref(get(own, &k, 1));
    r.item = group_keep_item(*(struct group **)ctx, &k, &v, &e);
    if (!r.item)
        die(e.msg);
    r.minute_qps = group_hot_minute_qps(own, k.hash);
    group_finish(f, &r);
    item_unref(r.item);
}

int main(int argc, char **argv)
{
    static const char *const names[] = {"lru", "sieve", "adaptive"};
    struct group_opts o;
    struct trace t;
    double hits = 0, hit_bytes = 0, all_bytes = 0;
    unsigned i;
    size_t n;

    if (argc < 5 || argc > 6) {
        fprintf(stderr, "usage: trace FILE PERCENT lru|sieve|adaptive|opt VALUE [NODES]\n");
        return 2;
    }
    log_set_level(LOG_ERROR);
    value_bytes = (unsigned)atoi(argv[4]);
    nodes = argc == 6 ? (unsigned)atoi(argv[5]) : 1;
    if (value_bytes > VALUE_MAX || nodes < 1 || nodes > MAX_NODES)
        die("a value has 8192 bytes at most, and there are 1 to 16 nodes");
    t = read_trace(argv[1]);
    if (strcmp(argv[3], "opt") == 0) {
        hits = opt_hits(&t, (size_t)(t.objects * atof(argv[2]) / 100));
        printf("bench hits=%.3f\n", hits / (double)t.n * 100);
        free(t.ids);
        return 0;
    }
    group_opts_init(&o);
    o.cache_bytes = budget(&t, atof(argv[2])) / nodes;
    o.hot = nodes > 1 ? HOT_RATE : HOT_NEVER;
    for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
        if (strcmp(names[i], argv[3]) == 0)
            o.eviction = i;
    }
    for (i = 0; i < nodes; i++)
        groups[i] = group_new("bench", "", &o,
                              &(struct loader){.ctx = &groups[i],
                                               .owner = owner,
                                               .disown = disown,
                                               .remote = remote,
                                               .local = load});
    for (n = 0; n < t.n; n++) {
        char text[KEY_MAX];
        struct key_ref k = key_of(t.ids[n], text);
        uint64_t before = getters;
        int hit;

        now_asked = size_of(t.ids[n]);
        item_unref(get(groups[n % nodes], &k, 0));
        hit = getters == before;
        hits += hit;
        hit_bytes += hit ? now_asked : 0;
        all_bytes += now_asked;
    }
    printf("bench hits=%.3f bytes=%.3f\n", hits / (double)t.n * 100, hit_bytes / all_bytes * 100);
    for (i = 0; i < nodes; i++)
        group_unref(groups[i]);
    free(t.ids);
    return 0;
}
