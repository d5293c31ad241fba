/* SPDX-License-Identifier: MIT */
/* paths.c - the engine's paths, as often as it is told, for their instructions to be counted.
 *
 *   paths hit N     group_lookup() of keys that are there, as the HTTP server does
 *   paths miss N    a look-up and a load of keys that are not, in a full cache: with the getter's
 *                   value, its insertion and the eviction that it costs
 *   paths recall N  reader_recall() of remembered keys, as group:get of a program does
 *
 * One thread, and nothing depends on the clock. See bench/guard/guard.lua. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/group.h"
#include "cache/reader.h"

enum { KEYS = 512, KEY_LEN = 12, ROUNDS = 4 };

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

int main(int argc, char **argv)
{
    static char keys[KEYS][KEY_LEN + 1];
    const char *path = argc == 3 ? argv[1] : "";
    unsigned n = argc == 3 ? (unsigned)atoi(argv[2]) : 0, hits = 0, i;
    struct loader loader = {.owner = no_owner, .local = load};
    struct group_opts o;
    struct group *g;
    struct reader *r;
    struct recalled found;

    group_opts_init(&o);
    o.cache_bytes = 1000000; /* some five thousand entries */
    g = group_new("guard", "text/plain", &o, &loader);
    r = reader_new(g, 1);
    for (i = 0; i < KEYS; i++) {
        name_key(keys[i], i);
        get(g, keys[i]);
    }
    for (i = 0; i < ROUNDS * KEYS; i++) /* the reader makes slots as it needs them */
        reader_recall(r, keys[i % KEYS], KEY_LEN, &found);
    if (strcmp(path, "hit") == 0) {
        for (i = 0; i < n; i++)
            hits += (unsigned)get(g, keys[i % KEYS]);
    } else if (strcmp(path, "recall") == 0) {
        for (i = 0; i < n; i++)
            hits += reader_recall(r, keys[i % KEYS], KEY_LEN, &found) == HIT_SAME;
    } else if (strcmp(path, "miss") == 0) {
        for (i = 0; i < n; i++) {
            char key[KEY_LEN + 1];

            name_key(key, KEYS + i);
            hits += !get(g, key);
        }
    } else {
        fprintf(stderr, "usage: paths hit|miss|recall N\n");
        return 2;
    }
    if (hits != n || wakes < KEYS)
        die("not what was to be counted");
    reader_free(r);
    group_unref(g);
    return 0;
}
