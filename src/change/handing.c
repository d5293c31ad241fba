/* SPDX-License-Identifier: MIT */
/* handing.c - one group after the other, in parcels: a parcel has items for one node. There is one
 * parcel under way for a node at most, so a slow node delays no other. */
#include "change/handing.h"

#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "cache/group.h"
#include "cache/group_hand.h"
#include "cache/groups.h"
#include "peer/peer_in.h"
#include "wire/batch.h"

enum { POLL_MS = 1, MOST_NODES = 64, EXCHANGE_MS = 2000 };

/* Whoever drops the last reference frees it: the exchange may end after that. */
struct parcel {
    atomic_uint refs;
    atomic_int busy; /* an exchange is under way */
    atomic_uint_fast64_t confirmed;
    struct peer *peer; /* a reference */
    struct key *keys;  /* of the items below, HANDING_KEYS at most */
    struct item *items[HANDING_KEYS];
    size_t n, sent;
    struct buf frames;
};

struct handing {
    struct peers *(*peers_of)(const struct group *g);
    uint64_t until_ms;
    int (*hurry)(void *arg);
    void *arg;
    uint64_t confirmed;
    struct parcel *parcels[MOST_NODES];
    size_t n;
};

static void parcel_unref(struct parcel *p)
{
    if (atomic_fetch_sub(&p->refs, 1) != 1)
        return;
    buf_deinit(&p->frames);
    peer_unref(p->peer);
    mem_free(p->keys);
    mem_free(p);
}

static void parcel_empty(struct parcel *p)
{
    while (p->n)
        item_unref(p->items[--p->n]);
    buf_reset(&p->frames);
}

static struct parcel *parcel_for(struct handing *w, struct peer *peer)
{
    struct parcel *p;
    size_t i;

    for (i = 0; i < w->n; i++)
        if (w->parcels[i]->peer == peer)
            return w->parcels[i];
    if (w->n == MOST_NODES)
        return NULL;
    p = w->parcels[w->n++] = mem_zalloc(sizeof(*p));
    atomic_init(&p->refs, 1);
    p->peer = peer_ref(peer);
    p->keys = mem_zalloc(HANDING_KEYS * sizeof(*p->keys));
    buf_init(&p->frames, 0);
    return p;
}

static int is_over(const struct handing *w)
{
    return clock_ms() >= w->until_ms || (w->hurry && w->hurry(w->arg));
}

/* 0: the time is over. */
static int wait_for(const struct handing *w, struct parcel *p)
{
    const struct timespec pause = {0, POLL_MS * 1000000};

    while (atomic_load(&p->busy)) {
        if (is_over(w))
            return 0;
        nanosleep(&pause, NULL);
    }
    return 1;
}

static void parcel_done(void *ctx, enum err code, const char *text)
{
    struct parcel *p = ctx;

    (void)text;
    if (!code)
        atomic_fetch_add(&p->confirmed, p->sent);
    atomic_store(&p->busy, 0);
    parcel_unref(p);
}

/* Empties the parcel. peer_tell() copies what it sends. If there was no memory for a part of it,
 * nothing is sent: the next owners load these keys. */
static void parcel_send(const struct handing *w, struct group *g, struct parcel *p)
{
    uint64_t now = clock_ms(), left = w->until_ms > now ? w->until_ms - now : 1;
    const struct batch_request what = {.op = BATCH_HAND,
                                       .keys = p->keys,
                                       .n_keys = p->n,
                                       .value = p->frames.data,
                                       .value_len = p->frames.len};
    const struct tell_opts o = {.group = g,
                                .what = &what,
                                .timeout_ms = left < EXCHANGE_MS ? left : EXCHANGE_MS,
                                .done = parcel_done,
                                .ctx = p};

    if (p->n && !p->frames.failed) {
        p->sent = p->n;
        atomic_store(&p->busy, 1);
        atomic_fetch_add(&p->refs, 1);
        peer_tell(p->peer, &o);
    }
    parcel_empty(p);
}

/* Takes the item. */
static void parcel_add(struct parcel *p, struct item *it, const struct group_handed *v)
{
    const struct key_ref k = item_key_ref(it);
    const struct batch_answer a = {.index = p->n,
                                   .value = v->bytes,
                                   .value_len = v->n,
                                   .has_ttl = v->has_ttl,
                                   .ttl_ms = v->ttl_ms,
                                   .age_s = v->age_s,
                                   .extra = v->extra,
                                   .extra_len = v->extra_len};

    p->keys[p->n] = (struct key){k.bytes, k.n};
    p->items[p->n++] = it;
    batch_put_answer(&p->frames, &a);
    buf_put(&p->frames, v->bytes, v->n);
}

/* Takes the item. 0: the time is over. */
static int hand(struct handing *w, struct group *g, struct item *it)
{
    const struct key_ref k = item_key_ref(it);
    struct peer *peer = peers_successor(w->peers_of(g), k.bytes, k.n);
    struct parcel *p = NULL;
    struct group_handed v;
    int goes_on = 1;

    if (peer && atomic_load(&peer->kind) == PEER_OURS && group_hand_of(it, &v) &&
        v.n <= HANDING_BYTES)
        p = parcel_for(w, peer);
    peer_unref(peer);
    if (!p) {
        item_unref(it);
        return !is_over(w);
    }
    if (p->n == HANDING_KEYS || p->frames.len + v.n + v.extra_len > HANDING_BYTES) {
        goes_on = wait_for(w, p);
        if (goes_on)
            parcel_send(w, g, p);
    }
    if (goes_on)
        parcel_add(p, it, &v);
    else
        item_unref(it);
    return goes_on;
}

static void hand_group(void *arg, struct group *g)
{
    struct handing *w = arg;
    struct item **items;
    size_t i, n;
    int goes_on = !is_over(w) && !group_opts(g).local_only;

    if (!goes_on)
        return;
    items = mem_zalloc(HANDING_ITEMS * sizeof(*items));
    n = group_hand_list(g, HANDING_ITEMS, items);
    for (i = 0; i < n && goes_on; i++)
        goes_on = hand(w, g, items[i]);
    for (; i < n; i++)
        item_unref(items[i]);
    mem_free(items);
    for (i = 0; i < w->n; i++) {
        if (goes_on && wait_for(w, w->parcels[i]))
            parcel_send(w, g, w->parcels[i]);
        parcel_empty(w->parcels[i]);
    }
}

uint64_t handing_over(struct groups *groups, struct peers *(*peers_of)(const struct group *g),
                      uint64_t until_ms, int (*hurry)(void *arg), void *arg)
{
    struct handing w = {.peers_of = peers_of, .until_ms = until_ms, .hurry = hurry, .arg = arg};
    size_t i;

    groups_each(groups, hand_group, &w);
    for (i = 0; i < w.n; i++) {
        wait_for(&w, w.parcels[i]);
        w.confirmed += atomic_load(&w.parcels[i]->confirmed);
        parcel_unref(w.parcels[i]);
    }
    return w.confirmed;
}
