/* SPDX-License-Identifier: MIT */
/* gather.c - many keys for one request of a node.
 *
 * The connection is suspended and `parked` is set under mu. Wakers resume a parked connection under
 * mu. So every suspension is resumed once, and no other connection is resumed. While an answer
 * streams, libmicrohttpd's content reader calls this, and may suspend there. libmicrohttpd's locks
 * and an inbox's lock are taken under mu, never the other way round. */
#include "http/gather.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/buf.h"
#include "base/list.h"
#include "base/mem.h"
#include "cache/group.h"
#include "cache/item.h"
#include "http/server_in.h"

enum {
    MAX_PENDING = 1024,       /* keys begun and not ended, at most */
    READY_BYTES = 1024 * 1024 /* of ready values: above it no key is begun */
};

struct slot {
    struct waiter waiter;
    struct gather *gather;
    struct list ready; /* guarded by gather.mu */
    struct gathered end;
    int waited; /* the connection's thread's: group_load() took the waiter */
};

struct gather {
    struct gather_opts opts;
    struct slot *slots; /* one a key */
    size_t cost;        /* in the budget */
    size_t begun;       /* the connection's thread's */
    struct slot *taken; /* the connection's thread's: the result of gather_next() */
    struct buf info;    /* the connection's thread's: see flight.info */
    atomic_uint refs;   /* the owner's, and one for each waiter that was not woken */

    pthread_mutex_t mu;
    struct list ready;  /* guarded by mu, like all below: ended, not taken */
    size_t ready_bytes; /* of its values */
    size_t pending;     /* begun, not ended */
    int parked;         /* the connection is suspended */
    struct parking parking;
};

struct gather *gather_new(const struct gather_opts *o)
{
    size_t cost = sizeof(struct gather) + o->n_keys * sizeof(struct slot);
    struct gather *g;

    if (!budget_take(o->budget, cost))
        return NULL;
    g = mem_zalloc(sizeof(*g));
    g->slots = mem_alloc(o->n_keys * sizeof(*g->slots));
    if (!g->slots) {
        budget_give(o->budget, cost);
        mem_free(g);
        return NULL;
    }
    g->opts = *o;
    g->cost = cost;
    atomic_init(&g->refs, 1);
    pthread_mutex_init(&g->mu, NULL);
    list_init(&g->ready);
    buf_init(&g->info, 0);
    job_put_info(&g->info, o->connection, o->group, 1);
    return g;
}

static void gather_unref(struct gather *g)
{
    struct list *l;

    if (atomic_fetch_sub_explicit(&g->refs, 1, memory_order_acq_rel) != 1)
        return;
    while ((l = list_pop_front(&g->ready)))
        item_unref(list_entry(l, struct slot, ready)->end.result.item);
    pthread_mutex_destroy(&g->mu);
    mem_free(g->slots);
    mem_free(g);
}

static void release_taken(struct gather *g)
{
    if (g->taken)
        item_unref(g->taken->end.result.item);
    g->taken = NULL;
}

void gather_drop(struct gather *g)
{
    size_t i;

    if (!g)
        return;
    release_taken(g);
    buf_deinit(&g->info);
    budget_give(g->opts.budget, g->cost); /* now: a waker may run after the server is freed */
    for (i = 0; i < g->begun; i++) {
        if (g->slots[i].waited && group_cancel(g->opts.group, &g->slots[i].waiter))
            gather_unref(g);
    }
    gather_unref(g);
}

/* One key has ended; its slot has the result. */
static void end_locked(struct gather *g, struct slot *s)
{
    const struct item *it = s->end.result.item;

    g->ready_bytes += it ? it->value_len : 0;
    list_push_back(&g->ready, &s->ready);
}

static void slot_wake(struct waiter *w, const struct result *r)
{
    struct slot *s = list_entry(w, struct slot, waiter);
    struct gather *g = s->gather;

    result_copy(&s->end.result, r);
    pthread_mutex_lock(&g->mu);
    end_locked(g, s);
    g->pending--;
    if (g->parked) {
        g->parked = 0;
        server_loop_unpark(&g->parking);
    }
    pthread_mutex_unlock(&g->mu);
    gather_unref(g);
}

/* Not group_look_or_load(): a hit is neither pending nor a reference. */
static void begin_one(struct gather *g, size_t index)
{
    const struct key *key = &g->opts.keys[index];
    struct slot *s = &g->slots[index];
    struct group *group = g->opts.group;
    const struct key_ref k = group_key(key->bytes, key->n);
    struct result *r = &s->end.result;

    *s = (struct slot){.gather = g, .end = {.index = index}};
    s->waiter.wake = slot_wake;
    r->item = group_lookup(group, &k, 1, &r->source);
    if (r->item) {
        pthread_mutex_lock(&g->mu);
        end_locked(g, s);
        pthread_mutex_unlock(&g->mu);
        return;
    }
    s->waiter.info = g->info.data;
    s->waiter.info_len = g->info.failed ? 0 : g->info.len;
    s->waited = 1;
    atomic_fetch_add_explicit(&g->refs, 1, memory_order_relaxed);
    pthread_mutex_lock(&g->mu);
    g->pending++; /* before it can be woken */
    pthread_mutex_unlock(&g->mu);
    if (!group_load(group, &k, 1, &s->waiter, r))
        return;
    s->waited = 0;
    pthread_mutex_lock(&g->mu);
    g->pending--;
    end_locked(g, s);
    pthread_mutex_unlock(&g->mu);
    gather_unref(g);
}

/* Whether there is room for another key. */
static int has_room(struct gather *g)
{
    int room;

    pthread_mutex_lock(&g->mu);
    room = g->pending < MAX_PENDING && g->ready_bytes < READY_BYTES;
    pthread_mutex_unlock(&g->mu);
    return room;
}

int gather_begin(struct gather *g)
{
    int ended;

    while (g->begun < g->opts.n_keys && has_room(g))
        begin_one(g, g->begun++);
    pthread_mutex_lock(&g->mu);
    ended = g->begun == g->opts.n_keys && g->pending == 0;
    pthread_mutex_unlock(&g->mu);
    return ended;
}

const struct gathered *gather_next(struct gather *g)
{
    const struct result *r;
    struct list *l;

    release_taken(g);
    pthread_mutex_lock(&g->mu);
    l = list_pop_front(&g->ready);
    if (l) {
        g->taken = list_entry(l, struct slot, ready);
        r = &g->taken->end.result;
        g->ready_bytes -= r->item ? r->item->value_len : 0;
    }
    pthread_mutex_unlock(&g->mu);
    return g->taken ? &g->taken->end : NULL;
}

size_t gather_ready_bytes(struct gather *g)
{
    size_t bytes;

    pthread_mutex_lock(&g->mu);
    bytes = g->ready_bytes;
    pthread_mutex_unlock(&g->mu);
    return bytes;
}

int gather_wait(struct gather *g)
{
    int parked;

    pthread_mutex_lock(&g->mu);
    parked = g->pending > 0 && list_empty(&g->ready);
    if (parked) {
        g->parked = 1;
        server_loop_park(&g->parking, g->opts.connection);
    }
    pthread_mutex_unlock(&g->mu);
    return parked;
}
