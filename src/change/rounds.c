/* SPDX-License-Identifier: MIT */
#include "change/rounds.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "peer/peer_in.h"
#include "peer/stand_in.h"

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
    peer_unref(r->stood_in);
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
    r->were_same = r->round > 1 && !r->differs;
    peer_unref(r->differs);
    peer_unref(r->stood_in);
    r->differs = r->stood_in = NULL;
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

/* The time that was so long ago; UINT64_MAX: never. */
static uint64_t at_ms(uint64_t ago_ms)
{
    uint64_t now = clock_ms();

    return ago_ms < now ? now - ago_ms : 0;
}

void rounds_heard(struct rounds *r, struct peer *peer, const struct tell_ring *ring)
{
    uint64_t changed_ms = at_ms(ring->since_ms);

    pthread_mutex_lock(&r->mu);
    if (ring->differs)
        keep(&r->differs, peer);
    if (changed_ms > r->young_ms) {
        r->young_ms = changed_ms;
        keep(&r->young, peer);
    }
    if (at_ms(ring->stood_in_ms) >= r->began_ms[0])
        keep(&r->stood_in, peer);
    add_list_locked(r, ring->urls, ring->n);
    pthread_mutex_unlock(&r->mu);
}

/* --- what follows from them --- */

/* Whether a load that began after its node was told, but before all were, may still bring the old
 * value from a stand-in. This node may be one, too. After another round of equal rings no stand-in
 * has it. */
static int may_pass_locked(const struct rounds *r, uint64_t last)
{
    int stood_in = r->stood_in || stand_in_noted_ms(r->peers) >= r->began_ms[0];

    return stood_in && !(r->were_same && last < r->began_ms[1]);
}

int rounds_are_enough(struct rounds *r, int alone, int failed)
{
    uint64_t last = peers_changed_ms(r->peers);
    int enough;

    if (alone)
        return r->generation == atomic_load(&r->peers->generation);
    pthread_mutex_lock(&r->mu);
    last = r->young_ms > last ? r->young_ms : last;
    enough = (!r->differs && last < r->began_ms[0] && (failed || !may_pass_locked(r, last))) ||
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

/* Any other node of the list. */
static struct peer *some_peer(struct peers *p)
{
    struct peer **list, *some = NULL;
    size_t i, n;

    list = peers_list(p, &n);
    for (i = 0; i < n; i++) {
        if (!some && !list[i]->self)
            some = peer_ref(list[i]);
        peer_unref(list[i]);
    }
    mem_free(list);
    return some;
}

struct peer *rounds_unsettled(struct rounds *r)
{
    struct peer *known = r->differs ? r->differs : r->stood_in ? r->stood_in : r->young;

    return known ? peer_ref(known) : some_peer(r->peers);
}
