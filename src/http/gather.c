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
#include "base/traceparent.h"
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
    size_t traces_at;   /* the connection's thread's: the next line of the traces */
    struct slot *taken; /* the connection's thread's: the result of gather_next() */
    struct buf info;    /* the connection's thread's: see flight.info */
    atomic_uint refs;   /* the owner's, and one for each waiter that was not woken */

    pthread_mutex_t mu;
    struct list ready;  /* guarded by mu, like all below: ended, not taken */
    size_t ready_bytes; /* of its values, which are in the budget, as is taken's */
    int dropped;        /* nobody takes values any more; the budget may be freed */
    size_t pending;     /* begun, not ended */
    int parked;         /* the connection is suspended */
    struct parking parking;
};

struct gather *gather_new(const struct gather_opts *o)
{
    size_t cost = sizeof(struct gather) + o->n_keys * sizeof(struct slot);
    struct gather *g;

    if (mem_is_short() || !budget_take(o->budget, cost))
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
    struct item *it = g->taken ? g->taken->end.result.item : NULL;

    if (it)
        budget_give(g->opts.budget, it->value_len);
    item_unref(it);
    g->taken = NULL;
}

void gather_drop(struct gather *g)
{
    size_t i;

    if (!g)
        return;
    release_taken(g);
    buf_deinit(&g->info);
    pthread_mutex_lock(&g->mu);
    g->dropped = 1;
    budget_give(g->opts.budget, g->cost + g->ready_bytes); /* now: a waker may run after the server
                                                            * is freed */
    pthread_mutex_unlock(&g->mu);
    for (i = 0; i < g->begun; i++) {
        if (g->slots[i].waited && group_cancel(g->opts.group, &g->slots[i].waiter))
            gather_unref(g);
    }
    gather_unref(g);
}

/* One key has ended; its slot has the result. Returns the item if there is no room for it, or
 * nobody takes it: the key ends with BUSY. */
static struct item *end_locked(struct gather *g, struct slot *s)
{
    struct result *r = &s->end.result;
    struct item *it = r->item;

    if (it && (g->dropped || !budget_take(g->opts.budget, it->value_len))) {
        r->item = NULL;
        error_set(&r->err, ERR_BUSY, "no room for a value of %u bytes beside all others",
                  (unsigned)it->value_len);
    } else if (it) {
        g->ready_bytes += it->value_len;
        it = NULL;
    }
    list_push_back(&g->ready, &s->ready);
    return it;
}

static void slot_wake(struct waiter *w, const struct result *r)
{
    struct slot *s = list_entry(w, struct slot, waiter);
    struct gather *g = s->gather;
    struct item *refused;

    result_copy(&s->end.result, r);
    pthread_mutex_lock(&g->mu);
    refused = end_locked(g, s);
    g->pending--;
    if (g->parked) {
        g->parked = 0;
        server_loop_unpark(&g->parking);
    }
    pthread_mutex_unlock(&g->mu);
    item_unref(refused);
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
    struct traceparent trace;
    struct item *refused;

    *s = (struct slot){.gather = g, .end = {.index = index}};
    s->waiter.wake = slot_wake;
    if (batch_next_trace(g->opts.traces, g->opts.traces_len, &g->traces_at, &trace))
        s->waiter.trace = &trace;
    r->item = group_lookup(group, &k, 1, &r->source);
    if (r->item) {
        pthread_mutex_lock(&g->mu);
        refused = end_locked(g, s);
        pthread_mutex_unlock(&g->mu);
        item_unref(refused);
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
    refused = end_locked(g, s);
    pthread_mutex_unlock(&g->mu);
    item_unref(refused);
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
