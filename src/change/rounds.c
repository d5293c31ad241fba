/* SPDX-License-Identifier: MIT */
#include "change/rounds.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "peer/peer_in.h"

enum { URL_BYTES = 300 };

void rounds_init(struct rounds *r, struct peers *peers)
{
    memset(r, 0, sizeof(*r));
    pthread_mutex_init(&r->mu, NULL);
    r->peers = peers;
    rounds_begin(r);
}

void rounds_deinit(struct rounds *r)
{
    while (r->n_strange)
        peer_unref(r->strange[--r->n_strange]);
    mem_free(r->strange);
    peer_unref(r->differs);
    peer_unref(r->young);
    pthread_mutex_destroy(&r->mu);
}

void rounds_begin(struct rounds *r)
{
    memmove(r->began_ms + 1, r->began_ms, (ROUNDS - 1) * sizeof(*r->began_ms));
    r->began_ms[0] = clock_ms();
    r->began_real_ms = clock_real_ms();
    r->generation = atomic_load(&r->peers->generation);
    r->round++;
    pthread_mutex_lock(&r->mu);
    peer_unref(r->differs);
    r->differs = NULL;
    pthread_mutex_unlock(&r->mu);
}

/* --- answers --- */

static int has_locked(const struct rounds *r, const char *url)
{
    size_t i;

    for (i = 0; i < r->n_strange && strcmp(r->strange[i]->url, url) != 0; i++)
        ;
    return i < r->n_strange;
}

static void add_locked(struct rounds *r, const char *url)
{
    struct peer *peer;

    if (has_locked(r, url) || r->n_strange == ROUNDS_MAX_STRANGE)
        return;
    peer = peers_find_or_make(r->peers, url);
    if (!peer || peer->self || peers_have(r->peers, peer)) {
        peer_unref(peer);
        return;
    }
    if (!r->strange)
        r->strange = mem_zalloc(ROUNDS_MAX_STRANGE * sizeof(struct peer *));
    r->strange[r->n_strange++] = peer;
    r->young_ms = clock_ms(); /* rounds count from the first that tells it */
}

static void add_list_locked(struct rounds *r, const char *urls, size_t n)
{
    const char *end;
    char url[URL_BYTES];

    for (; n && (end = memchr(urls, '\n', n)); n -= (size_t)(end + 1 - urls), urls = end + 1) {
        snprintf(url, sizeof(url), "%.*s", (int)(end - urls), urls);
        add_locked(r, url);
    }
}

static void keep(struct peer **at, struct peer *peer)
{
    peer_unref(*at);
    *at = peer_ref(peer);
}

void rounds_heard(struct rounds *r, struct peer *peer, const struct tell_ring *ring)
{
    uint64_t now = clock_ms(), changed_ms = ring->since_ms < now ? now - ring->since_ms : 0;

    pthread_mutex_lock(&r->mu);
    if (ring->differs)
        keep(&r->differs, peer);
    if (changed_ms > r->young_ms) {
        r->young_ms = changed_ms;
        keep(&r->young, peer);
    }
    add_list_locked(r, ring->urls, ring->n);
    pthread_mutex_unlock(&r->mu);
}

/* --- what follows from them --- */

int rounds_are_enough(struct rounds *r, int alone)
{
    uint64_t last = peers_changed_ms(r->peers);
    int enough;

    if (alone)
        return r->generation == atomic_load(&r->peers->generation);
    pthread_mutex_lock(&r->mu);
    last = r->young_ms > last ? r->young_ms : last;
    enough = (!r->differs && last < r->began_ms[0]) ||
             (r->round >= ROUNDS && last < r->began_ms[ROUNDS - 1]);
    pthread_mutex_unlock(&r->mu);
    return enough;
}

struct peer **rounds_strangers(struct rounds *r, size_t *n)
{
    struct peer **list = mem_zalloc((ROUNDS_MAX_STRANGE + 1) * sizeof(struct peer *));

    pthread_mutex_lock(&r->mu);
    for (*n = 0; *n < r->n_strange; (*n)++)
        list[*n] = peer_ref(r->strange[*n]);
    pthread_mutex_unlock(&r->mu);
    return list;
}

int rounds_has_left(struct rounds *r, const struct peer *peer)
{
    size_t i;
    int strange = 0;

    pthread_mutex_lock(&r->mu);
    for (i = 0; i < r->n_strange && !strange; i++)
        strange = r->strange[i] == peer;
    pthread_mutex_unlock(&r->mu);
    return strange && contact_was_lost(peer, r->began_real_ms);
}

struct peer *rounds_unsettled(struct rounds *r)
{
    return r->differs ? r->differs : r->young;
}
