/* SPDX-License-Identifier: MIT */
/* engine.c - what the engine takes where neither HTTP nor Lua is in the way.
 *
 *   engine ring PEERS SECONDS      look-ups in a ring with 50 replicas
 *   engine set PEERS SECONDS       a new list of peers, readers meanwhile
 *   engine recall THREADS SECONDS  hits as a program's group:get has them, threads on one group
 *
 * Prints one line of figures, "bench name=number ...". bench/peers/gopeer has the same for Go. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "cache/group.h"
#include "cache/reader.h"
#include "net/net.h"
#include "peer/peers.h"
#include "peer/ring.h"

enum { KEY_LEN = 12, RING_KEYS = 1 << 16, HIT_KEYS = 512, BATCH = 1024, MAX_THREADS = 64 };

typedef char key_text[KEY_LEN + 1];

static void die(const char *what)
{
    fprintf(stderr, "engine: %s\n", what);
    exit(1);
}

static key_text *some_keys(unsigned n)
{
    key_text *keys = malloc(n * sizeof(*keys));
    unsigned i;

    if (!keys)
        die("no memory");
    for (i = 0; i < n; i++)
        snprintf(keys[i], sizeof(keys[i]), "k%011u", i % 1000000000u);
    return keys;
}

static const char **peer_urls(unsigned n)
{
    const char **urls = malloc(n * sizeof(*urls));
    unsigned i;

    if (!urls)
        die("no memory");
    for (i = 0; i < n; i++) {
        char url[64];

        snprintf(url, sizeof(url), "http://10.0.%u.%u:8080", i / 250, i % 250 + 1);
        urls[i] = strdup(url);
    }
    return urls;
}

static void free_urls(const char **urls, unsigned n)
{
    unsigned i;

    for (i = 0; i < n; i++)
        free((char *)(size_t)urls[i]);
    free(urls);
}

static double since(uint64_t begin_ns)
{
    return (double)(clock_ns() - begin_ns);
}

/* --- ring --- */

static void run_ring(unsigned peers, double seconds)
{
    key_text *keys = some_keys(RING_KEYS);
    const char **urls = peer_urls(peers);
    struct error e;
    struct ring *ring = ring_new(HASH_CRC32, RING_PLAIN, urls, peers, 50, &e);
    uint64_t begin = clock_ns(), ops = 0;
    size_t sum = 0; /* so that the look-ups are not optimised away */

    if (!ring)
        die(e.msg);
    while (since(begin) < seconds * 1e9) {
        unsigned i;

        for (i = 0; i < BATCH; i++)
            sum += ring_owner(ring, keys[(ops + i) % RING_KEYS], KEY_LEN);
        ops += BATCH;
    }
    printf("bench ns=%.1f sum=%zu\n", since(begin) / (double)ops, sum);
    ring_free(ring);
    free_urls(urls, peers);
    free(keys);
}

/* --- a new list --- */

struct reader {
    struct peers *peers;
    key_text *keys;
    atomic_int stop;
    double long_ns;  /* from here on a look-up is one that has waited */
    unsigned waited; /* how many */
};

static void *read_owners(void *arg)
{
    struct reader *r = arg;
    unsigned i;

    for (i = 0; !atomic_load(&r->stop); i++) {
        uint64_t begin = clock_ns();

        peers_disown(r->peers, peers_owner(r->peers, r->keys[i % RING_KEYS], KEY_LEN));
        if (since(begin) >= r->long_ns)
            r->waited++;
    }
    return NULL;
}

/* Returns how many sets. The two lists differ in one peer. */
static unsigned set_for(struct peers *p, const char **urls, unsigned n, double seconds)
{
    uint64_t begin = clock_ns();
    unsigned sets = 0;
    struct error e;

    do {
        if (peers_set(p, urls + sets % 2, n, &e))
            die(e.msg);
        sets++;
    } while (since(begin) < seconds * 1e9);
    return sets;
}

static void run_set(unsigned n, double seconds)
{
    const char **urls = peer_urls(n + 1);
    struct peers_opts o = {
        .self = urls[1], .base_path = "/_groupcache/", .replicas = 50, .connect_timeout_ms = 200};
    struct error e;
    struct net *net = net_start(&(struct net_opts){0}, &e);
    struct peers *p = net ? peers_new(&o, net) : NULL;
    struct reader reader = {.peers = p, .keys = some_keys(RING_KEYS)};
    uint64_t begin;
    unsigned sets;
    double ns;
    pthread_t t;

    if (!p)
        die("no peers");
    begin = clock_ns();
    sets = set_for(p, urls, n, seconds / 2);
    ns = since(begin) / sets;
    reader.long_ns = ns / 2;
    if (pthread_create(&t, NULL, read_owners, &reader))
        die("no thread");
    sets = set_for(p, urls, n, seconds / 2);
    atomic_store(&reader.stop, 1);
    pthread_join(t, NULL);
    printf("bench ms=%.4f waited=%.4f\n", ns / 1e6, (double)reader.waited / sets);
    net_end(net);
    peers_free(p);
    net_stop(net);
    free_urls(urls, n + 1);
    free(reader.keys);
}

/* --- hits --- */

struct asker {
    key_text *keys;
    struct reader *reader;
    double seconds, ns;
};

static void *recall(void *arg)
{
    struct asker *a = arg;
    uint64_t begin = clock_ns(), ops = 0;

    while (since(begin) < a->seconds * 1e9) {
        unsigned i;

        for (i = 0; i < BATCH; i++) {
            unsigned k = (unsigned)(ops + i) % HIT_KEYS;
            struct recalled found;

            if (reader_recall(a->reader, a->keys[k], KEY_LEN, &found) == HIT_NONE)
                die("a miss");
        }
        ops += BATCH;
    }
    a->ns = since(begin) / (double)ops;
    return NULL;
}

static void run_recall(unsigned threads, double seconds)
{
    static struct asker askers[MAX_THREADS];
    static char value[100];
    struct group_opts o;
    struct group *g;
    key_text *keys = some_keys(HIT_KEYS);
    pthread_t t[MAX_THREADS];
    double sum = 0;
    unsigned i, k;

    group_opts_init(&o);
    g = group_new("bench", "text/plain", &o, &(struct loader){0}); /* never asked: all are hits */
    for (k = 0; k < HIT_KEYS; k++) {
        struct key_ref key = group_key(keys[k], KEY_LEN);
        struct error e;

        if (group_set(g, &key, value, sizeof(value), NULL, &e))
            die(e.msg);
    }
    if (threads > MAX_THREADS)
        die("too many threads");
    for (i = 0; i < threads; i++) {
        askers[i] = (struct asker){.reader = reader_new(g, 1), .keys = keys, .seconds = seconds};
        if (pthread_create(&t[i], NULL, recall, &askers[i]))
            die("no thread");
    }
    for (i = 0; i < threads; i++) {
        pthread_join(t[i], NULL);
        sum += askers[i].ns;
        reader_free(askers[i].reader);
    }
    printf("bench ns=%.1f\n", sum / threads);
    group_unref(g);
    free(keys);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(unsigned n, double seconds);
    } commands[] = {{"ring", run_ring}, {"set", run_set}, {"recall", run_recall}};
    size_t i;

    log_set_level(LOG_ERROR);
    for (i = 0; argc == 4 && i < sizeof(commands) / sizeof(*commands); i++) {
        if (strcmp(argv[1], commands[i].name) == 0) {
            commands[i].run((unsigned)atoi(argv[2]), atof(argv[3]));
            return 0;
        }
    }
    fprintf(stderr, "usage: engine ring|set|recall N SECONDS\n");
    return 2;
}
