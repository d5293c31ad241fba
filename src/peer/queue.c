/* SPDX-License-Identifier: MIT */
/* queue.c - loads on their way to a peer.
 *
 * A load is added to its peer's queue, and the network thread is told unless it was told already.
 * The network thread sends all loads in the queue in one exchange. So the busier the thread, the
 * more loads share an exchange, and a single load waits for no other. Loads with headers of their
 * own, and loads at a node that is not ours, are sent one by one. A peer of unknown kind shows that
 * it is not ours by refusing the batch. */
#include <string.h>

#include "base/mem.h"
#include "cache/group.h"
#include "net/net.h"
#include "peer/handover.h"
#include "peer/peer_in.h"

enum {
    BATCH_KEYS = 1000,         /* in one exchange, at most */
    BATCH_KEY_BYTES = 1 << 20, /* of their keys */
};

/* This thread's loads since peer_queue_hold(): flight.queued, with the peer in flight.carrier. */
static _Thread_local struct {
    int depth;
    struct list flights;
} held;

/* --- the network thread --- */

static int may_share(const struct peer *peer, const struct flight *f)
{
    return f->handover ||
           (atomic_load_explicit(&peer->kind, memory_order_relaxed) != PEER_OTHER && !f->info_len);
}

/* Moves loads of f's group that may share an exchange from `all` to `some`. Returns their number.
 */
static size_t take_companions(struct list *all, const struct flight *first, struct list *some)
{
    struct list *l, *next;
    size_t n = 0, bytes = 0;

    list_each_safe (l, next, all) {
        struct flight *f = list_entry(l, struct flight, queued);

        if (f->group != first->group || f->handover != first->handover || !may_share(f->carrier, f))
            continue;
        if (n == BATCH_KEYS || bytes + f->key_len > BATCH_KEY_BYTES)
            break;
        list_del(l);
        list_push_back(some, l);
        bytes += f->key_len;
        n++;
    }
    return n;
}

static void start(struct peer *peer, struct list *flights)
{
    struct list some;
    struct list *l;
    size_t n;

    while (!list_empty(flights)) {
        struct flight *f = list_entry(flights->next, struct flight, queued);

        list_init(&some);
        n = may_share(peer, f) ? take_companions(flights, f, &some) : 0;
        if (f->handover) {
            handover_ask(peer, &some, n);
            continue;
        }
        if (n > 1) {
            peer_batch(peer, &some, n);
            continue;
        }
        l = n ? list_pop_front(&some) : list_pop_front(flights);
        peer_get(peer_ref(peer), list_entry(l, struct flight, queued));
    }
}

static void flush(struct msg *m)
{
    struct peer *peer = list_entry(m, struct peer, flush);
    struct list flights;

    list_init(&flights);
    pthread_mutex_lock(&peer->mu);
    list_splice_back(&flights, &peer->queue);
    peer->scheduled = 0;
    pthread_mutex_unlock(&peer->mu);
    start(peer, &flights);
    peer_unref(peer);
}

/* --- any thread --- */

static void push(struct peer *peer, struct flight *f)
{
    pthread_mutex_lock(&peer->mu);
    list_push_back(&peer->queue, &f->queued);
    pthread_mutex_unlock(&peer->mu);
}

/* The network thread is stopping: it will not take these loads. */
static void refuse(struct peer *peer)
{
    struct list flights, *l;

    list_init(&flights);
    pthread_mutex_lock(&peer->mu);
    list_splice_back(&flights, &peer->queue);
    peer->scheduled = 0;
    pthread_mutex_unlock(&peer->mu);
    while ((l = list_pop_front(&flights)))
        group_finish_error(list_entry(l, struct flight, queued), ERR_CLOSED,
                           "the node is stopping");
}

/* Makes the network thread look at the peer's queue. Takes the reference. */
static void schedule(struct peer *peer)
{
    int was;

    pthread_mutex_lock(&peer->mu);
    was = peer->scheduled;
    peer->scheduled = 1;
    pthread_mutex_unlock(&peer->mu);
    if (was) {
        peer_unref(peer);
        return;
    }
    peer->flush.run = flush;
    if (net_post(peer->peers->net, &peer->flush))
        return;
    refuse(peer);
    peer_unref(peer);
}

static void add(struct flight *f, struct peer *owner)
{
    if (held.depth) {
        list_push_back(&held.flights, &f->queued);
        return;
    }
    push(owner, f);
    schedule(owner);
}

void peer_queue_load(void *ctx, struct flight *f, struct peer *owner)
{
    (void)ctx;
    attempt_begin(owner, f);
    add(f, owner);
}

void peer_queue_handover(struct flight *f, struct peer *from)
{
    f->asked = f->handover = 1;
    f->carrier = from;
    add(f, from);
}

void peer_queue_hold(void)
{
    if (!held.depth++)
        list_init(&held.flights);
}

/* Adds the peer, a reference, to a list unless it is there. */
static size_t add_peer(struct peer **list, size_t n, struct peer *peer)
{
    size_t i;

    for (i = 0; i < n && list[i] != peer; i++)
        ;
    if (i < n) {
        peer_unref(peer);
        return n;
    }
    list[n] = peer;
    return n + 1;
}

/* All loads are in their queues before the network thread is told of the first. */
void peer_queue_release(void)
{
    struct peer **peers;
    struct list *l;
    size_t i, n = 0;

    if (--held.depth)
        return;
    list_each (l, &held.flights)
        n++;
    peers = mem_zalloc((n + 1) * sizeof(struct peer *));
    n = 0;
    while ((l = list_pop_front(&held.flights))) {
        struct flight *f = list_entry(l, struct flight, queued);
        struct peer *peer = f->carrier;

        push(peer, f); /* the peer's queue owns it from here on */
        n = add_peer(peers, n, peer);
    }
    for (i = 0; i < n; i++)
        schedule(peers[i]);
    mem_free(peers);
}
