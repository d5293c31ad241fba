/* SPDX-License-Identifier: MIT */
/* paths.c - the engine's paths, as often as it is told, for their instructions to be counted.
 *
 *   paths hit N     group_lookup() of keys that are there, as the HTTP server does
 *   paths miss N    a look-up and a load of keys that are not, in a full cache: with the getter's
 *                   value, its insertion and the eviction that it costs
 *   paths recall N  reader_recall() of remembered keys, as group:get of a program does
 *
 *   paths hit|miss|recall N lru|sieve|adaptive BYTES
 *
 * The same in a cache of so many bytes that is full: twice as many keys were put in as fit, and
 * half of those that fit are asked for. The difference between two evictions is what a hit costs
 * more with one of them.
 *
 * One thread, and nothing depends on the clock. See bench/guard/guard.lua. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/group.h"
#include "cache/reader.h"

enum { KEYS = 512, KEY_LEN = 12, ROUNDS = 4, ITEM_COST = 200 /* bytes, nearly */ };

static char value[100];
static unsigned wakes;

static struct peer *no_owner(void *ctx, const void *key, size_t key_len)
{
    (void)ctx, (void)key, (void)key_len;
    return NULL;
}

static void load(void *ctx, struct flight *f)
{
    struct error e;

    (void)ctx;
    group_finish_value(f, value, sizeof(value), NULL, &e);
}

static void woken(struct waiter *w, const struct result *r)
{
    (void)w;
    wakes += r->item != NULL;
}

static void die(const char *what)
{
    fprintf(stderr, "paths: %s\n", what);
    exit(1);
}

/* Returns whether it was a hit. */
static int get(struct group *g, const char *key)
{
    struct key_ref k = group_key(key, KEY_LEN);
    enum source source;
    struct item *it = group_lookup(g, &k, 0, &source);
    struct waiter w = {.wake = woken};
    struct result now;

    if (it) {
        item_unref(it);
        return 1;
    }
    if (group_load(g, &k, 0, &w, &now))
        die("a load that ended at once");
    return 0;
}

static void name_key(char *key, unsigned i)
{
    snprintf(key, KEY_LEN + 1, "k%011u", i % 1000000000u);
}

/* The keys that are asked for, n of them: the last that were put in. */
static char (*fill(struct group *g, unsigned all, unsigned n))[KEY_LEN + 1]
{
    char(*keys)[KEY_LEN + 1] = calloc(n, sizeof(*keys));
    unsigned i;

    if (!keys)
        die("no memory");
    for (i = 0; i < all; i++) {
        char *key = keys[i < all - n ? 0 : i - (all - n)];

        name_key(key, i);
        get(g, key);
    }
    return keys;
}

static void choose_eviction(struct group_opts *o, const char *name)
{
    static const char *const names[] = {"lru", "sieve", "adaptive"};

    for (o->eviction = 0; strcmp(names[o->eviction], name) != 0;)
        if (++o->eviction == sizeof(names) / sizeof(*names))
            die("no such eviction");
}

int main(int argc, char **argv)
{
    const char *path = argc == 3 || argc == 5 ? argv[1] : "";
    unsigned n = argc > 2 ? (unsigned)atoi(argv[2]) : 0, hits = 0, nkeys = KEYS, all = KEYS, i;
    struct loader loader = {.owner = no_owner, .local = load};
    char(*keys)[KEY_LEN + 1];
    struct group_opts o;
    struct group *g;
    struct reader *r;
    struct recalled found;

    group_opts_init(&o);
    o.cache_bytes = 1000000; /* some five thousand entries */
    if (argc == 5) {
        choose_eviction(&o, argv[3]);
        o.cache_bytes = (uint64_t)atoll(argv[4]);
        all = (unsigned)(2 * o.cache_bytes / ITEM_COST);
        nkeys = all / 4 < KEYS ? all / 4 : KEYS;
    }
    g = group_new("guard", "text/plain", &o, &loader);
    r = reader_new(g, 1);
    keys = fill(g, all, nkeys);
    for (i = 0; i < ROUNDS * nkeys; i++) /* the reader makes slots as it needs them */
        reader_recall(r, keys[i % nkeys], KEY_LEN, &found);
    if (strcmp(path, "hit") == 0) {
        for (i = 0; i < n; i++)
            hits += (unsigned)get(g, keys[i % nkeys]);
    } else if (strcmp(path, "recall") == 0) {
        for (i = 0; i < n; i++)
            hits += reader_recall(r, keys[i % nkeys], KEY_LEN, &found) == HIT_SAME;
    } else if (strcmp(path, "miss") == 0) {
        for (i = 0; i < n; i++) {
            char key[KEY_LEN + 1];

            name_key(key, all + i);
            hits += !get(g, key);
        }
    } else {
        fprintf(stderr, "usage: paths hit|miss|recall N [lru|sieve|adaptive BYTES]\n");
        return 2;
    }
    if (hits != n || wakes < nkeys)
        die("not what was to be counted");
    reader_free(r);
    group_unref(g);
    free(keys);
    return 0;
}
