/* SPDX-License-Identifier: MIT */
#include "cache/group_many.h"

#include <stdatomic.h>
#include <string.h>

#include "base/gate.h"
#include "base/mem.h"
#include "cache/group.h"
#include "cache/item.h"
#include "cache/packed.h"

struct one {
    struct waiter waiter;
    struct many *many;
    struct result result; /* its item is a reference */
};

struct many {
    struct group *group; /* a reference */
    struct many_caller caller;
    _Atomic size_t left; /* gets that have not ended, and group_many_start() itself while it runs */
    _Atomic size_t bytes; /* of the values so far, and of those that are being refused */
    size_t n;
    struct one ones[];
};

/* n of the gets have ended. The last one calls done. */
static void over(struct many *m, size_t n)
{
    if (n && atomic_fetch_sub_explicit(&m->left, n, memory_order_acq_rel) == n)
        m->caller.done(m->caller.ctx, m);
}

/* Whether a value is within max_bytes beside those before it. */
static int fits(struct many *m, size_t bytes)
{
    size_t most = m->caller.max_bytes;

    if (!most || atomic_fetch_add(&m->bytes, bytes) + bytes <= most)
        return 1;
    atomic_fetch_sub(&m->bytes, bytes);
    return 0;
}

/* The item for which the caller has no room: the get ends with BUSY or TOOBIG. Else NULL. */
static struct item *refused(struct one *o)
{
    const struct many_caller *c = &o->many->caller;
    struct result *r = &o->result;
    struct item *it = r->item;
    size_t bytes;

    if (!it)
        return NULL;
    bytes = packed_plain_bytes(it);
    if (!fits(o->many, bytes))
        error_set(
            &r->err, ERR_TOOBIG,
            "group %s: a value of %u bytes: the values of one get_many may have %zu bytes, ask "
            "for fewer keys at a time",
            group_name(o->many->group), (unsigned)bytes, c->max_bytes);
    else if (c->keep && !c->keep(c->ctx, bytes))
        error_set(&r->err, ERR_BUSY, "group %s: no room for a value of %u bytes beside all others",
                  group_name(o->many->group), (unsigned)bytes);
    else
        return NULL;
    r->item = NULL;
    return it;
}

static void one_wake(struct waiter *w, const struct result *r)
{
    struct one *o = list_entry(w, struct one, waiter);

    result_copy(&o->result, r);
    item_unref(refused(o));
    over(o->many, 1);
}

struct many *group_many_start(struct group *g, const struct key *keys, size_t n, int from_peer,
                              const struct many_caller *caller)
{
    struct many *m = mem_alloc(sizeof(*m) + n * sizeof(struct one));
    struct key_ref k;
    size_t i, ended = 1;
    int held;

    if (!m)
        return NULL;
    memset(m, 0, sizeof(*m) + n * sizeof(struct one));
    m->group = group_ref(g);
    m->caller = *caller;
    m->n = n;
    atomic_init(&m->left, n + 1);
    held = group_hold(g);
    for (i = 0; i < n; i++) {
        m->ones[i].waiter.wake = one_wake;
        m->ones[i].waiter.from = caller->from;
        m->ones[i].waiter.trace = caller->trace;
        m->ones[i].many = m;
        k = group_key(keys[i].bytes, keys[i].n);
        if (!group_look_or_load(g, &k, from_peer, &m->ones[i].waiter, &m->ones[i].result))
            continue;
        item_unref(refused(&m->ones[i]));
        ended++;
    }
    if (held)
        group_release(g);
    over(m, ended);
    return m;
}

size_t group_many_count(const struct many *m)
{
    return m->n;
}

const struct result *group_many_result(const struct many *m, size_t i)
{
    return &m->ones[i].result;
}

size_t group_many_bytes(const struct many *m, size_t i)
{
    const struct item *it = m->ones[i].result.item;

    return it ? packed_plain_bytes(it) : 0;
}

const struct result *group_many_open(struct many *m, size_t i)
{
    struct result *r = &m->ones[i].result;
    struct item *packed = r->item;

    if (!packed || !item_is_packed(packed))
        return r;
    r->item = packed_open(packed, &r->err);
    item_unref(packed);
    return r;
}

int group_many_cancel(struct many *m)
{
    size_t i, cancelled = 0;

    for (i = 0; i < m->n; i++)
        cancelled += (size_t)group_cancel(m->group, &m->ones[i].waiter);
    return cancelled &&
           atomic_fetch_sub_explicit(&m->left, cancelled, memory_order_acq_rel) == cancelled;
}

void group_many_free(struct many *m)
{
    size_t i;

    if (!m)
        return;
    for (i = 0; i < m->n; i++)
        item_unref(m->ones[i].result.item);
    group_unref(m->group);
    mem_free(m);
}

static void open_gate(void *ctx, struct many *m)
{
    (void)m;
    gate_open(ctx);
}

struct many *group_many_wait(struct group *g, const struct key *keys, size_t n, uint64_t timeout_ms,
                             size_t max_bytes)
{
    struct gate over;
    const struct many_caller caller = {.done = open_gate, .ctx = &over, .max_bytes = max_bytes};
    struct many *m;

    gate_init(&over);
    m = group_many_start(g, keys, n, 0, &caller);
    if (!timeout_ms)
        timeout_ms = group_opts(g).timeout_ms + GROUP_MARGIN_MS;
    if (m && !gate_wait(&over, timeout_ms) && !group_many_cancel(m))
        gate_wait(&over, GATE_FOR_EVER);
    gate_deinit(&over);
    return m;
}
