/* SPDX-License-Identifier: MIT */
/* handover.c - asks by a batch (BATCH_HELD). It has no part in the health of the peer: a node that
 * does not answer in time costs 10 ms, and nothing is known of it. */
#include "peer/handover.h"

#include "base/clock.h"
#include "base/mem.h"
#include "cache/group.h"
#include "cache/group_hand.h"
#include "net/fetch.h"
#include "peer/peer_in.h"
#include "wire/batch.h"

enum { LOST_MS = 1000 /* so long a peer that could not be reached is not asked */ };

struct asking {
    struct peer *peer;   /* a reference */
    struct group *group; /* a reference: the flights may be freed */
    size_t n, max_frame;
    struct flight *flights[]; /* NULL: has ended, or loads here */
};

/* --- whom to ask --- */

static int is_of_use(const struct peer *peer)
{
    return atomic_load_explicit(&peer->kind, memory_order_relaxed) != PEER_OTHER &&
           !contact_was_lost(peer, clock_real_ms() - LOST_MS);
}

struct peer *handover_from(struct peers *p, const struct flight *f)
{
    uint64_t now = clock_ms();
    struct peer *owner, *from = NULL;

    if (f->renews)
        return NULL;
    if (now >= atomic_load_explicit(&p->warm_ms, memory_order_relaxed) &&
        (!f->from_peer || now >= peers_changed_ms(p) + PEERS_WARM_MS))
        return NULL;
    owner = peers_place(p, f->key, f->key_len);
    if (owner && owner->self)
        from = now < atomic_load(&p->warm_ms) ? peers_successor(p, f->key, f->key_len) : NULL;
    else if (owner && f->from_peer)
        from = peer_ref(owner);
    peer_unref(owner);
    if (from && is_of_use(from))
        return from;
    peer_unref(from);
    return NULL;
}

/* --- the answer --- */

static struct flight *take(struct asking *a, uint64_t index)
{
    struct flight *f = index < a->n ? a->flights[index] : NULL;

    if (f)
        a->flights[index] = NULL;
    return f;
}

static void load_here(struct flight *f)
{
    group_load_here(f);
}

static size_t asking_data(void *ctx, const char *bytes, size_t n)
{
    struct asking *a = ctx;
    size_t taken = 0;

    for (;;) {
        struct batch_answer b;
        struct flight *f;
        struct error e;
        long frame = batch_get_answer(bytes + taken, n - taken, a->max_frame, &b, &e);
        const struct group_handed v = {b.value, b.value_len, b.has_ttl,  b.ttl_ms,
                                       b.age_s, b.extra,     b.extra_len};

        if (frame == 0)
            return taken;
        f = frame > 0 ? take(a, b.index) : NULL;
        if (!f)
            return FETCH_NO_MORE;
        if (!b.value || b.stale || !extra_check(b.extra, b.extra_len) || !group_hand_finish(f, &v))
            load_here(f);
        taken += (size_t)frame;
    }
}

static void asking_done(void *ctx, struct fetch *fetch)
{
    struct asking *a = ctx;
    size_t i;

    contact_end(a->peer, fetch);
    if (!fetch_error(fetch)->code)
        peer_recognise(a->peer, fetch);
    for (i = 0; i < a->n; i++) {
        struct flight *f = take(a, i);

        if (f)
            load_here(f);
    }
    group_unref(a->group);
    peer_unref(a->peer);
    mem_free(a);
}

void handover_ask(struct peer *peer, struct list *flights, size_t n)
{
    struct asking *a = mem_zalloc(sizeof(*a) + n * sizeof(struct flight *));
    struct fetch_opts o = {
        .timeout_ms = HANDOVER_MS, .data = asking_data, .done = asking_done, .ctx = a};
    struct fetch *fetch;
    struct error e;
    struct list *l;
    size_t i;

    a->peer = peer_ref(peer);
    while ((l = list_pop_front(flights)))
        a->flights[a->n++] = list_entry(l, struct flight, queued);
    a->group = group_ref(a->flights[0]->group);
    a->max_frame = (size_t)group_opts(a->group).max_value_bytes + BATCH_FRAME_OVERHEAD + ERROR_TEXT;
    o.max_bytes = a->max_frame + PEER_ENVELOPE_BYTES;
    fetch = peer_batch_send(peer, BATCH_HELD, a->flights, a->n, &o, &e);
    fetch_unref(fetch);
    if (fetch)
        return;
    for (i = 0; i < a->n; i++)
        load_here(a->flights[i]);
    group_unref(a->group);
    peer_unref(a->peer);
    mem_free(a);
}
