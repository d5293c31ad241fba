/* SPDX-License-Identifier: MIT */
#include "base/spans.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

struct spans {
    uint64_t share; /* set once */
    atomic_ullong sent, dropped;
    pthread_mutex_t mu;
    size_t first, n; /* guarded by mu, as is the list: a ring */
    struct span list[SPANS_MOST];
};

struct spans *spans_new(uint64_t share)
{
    struct spans *ss = mem_zalloc(sizeof(*ss));

    ss->share = share;
    pthread_mutex_init(&ss->mu, NULL);
    return ss;
}

void spans_free(struct spans *ss)
{
    if (!ss)
        return;
    pthread_mutex_destroy(&ss->mu);
    mem_free(ss);
}

int spans_may_begin(struct spans *ss, struct traceparent *out)
{
    return ss->share && traceparent_begin(out, ss->share);
}

void spans_begin(struct span *s, const struct traceparent *t, enum span_kind kind, const char *name)
{
    traceparent_id(t, s->trace);
    traceparent_span(t, s->id);
    memcpy(s->from, t->from, sizeof(s->from));
    s->sampled = traceparent_is_sampled(t);
    s->kind = kind;
    snprintf(s->name, sizeof(s->name), "%s", name);
    s->source = NULL;
    s->code = ERR_OK;
    s->status = 0;
    s->began_ns = clock_ns();
}

void spans_end(struct spans *ss, const struct span *s)
{
    struct span *at = NULL;
    uint64_t took_ns = clock_ns() - s->began_ns;

    if (!ss || !s->sampled)
        return;
    pthread_mutex_lock(&ss->mu);
    if (ss->n < SPANS_MOST) {
        at = &ss->list[(ss->first + ss->n++) % SPANS_MOST];
        *at = *s;
        at->took_ns = took_ns;
        at->since_ns = clock_wall_ns() - took_ns;
    }
    pthread_mutex_unlock(&ss->mu);
    if (!at)
        atomic_fetch_add_explicit(&ss->dropped, 1, memory_order_relaxed);
}

size_t spans_take(struct spans *ss, struct span *out, size_t n)
{
    size_t i;

    pthread_mutex_lock(&ss->mu);
    n = n < ss->n ? n : ss->n;
    for (i = 0; i < n; i++)
        out[i] = ss->list[(ss->first + i) % SPANS_MOST];
    ss->first = (ss->first + n) % SPANS_MOST;
    ss->n -= n;
    pthread_mutex_unlock(&ss->mu);
    return n;
}

void spans_count(struct spans *ss, uint64_t sent, uint64_t dropped)
{
    atomic_fetch_add_explicit(&ss->sent, sent, memory_order_relaxed);
    atomic_fetch_add_explicit(&ss->dropped, dropped, memory_order_relaxed);
}

void spans_counts(const struct spans *ss, uint64_t *sent, uint64_t *dropped)
{
    *sent = ss ? atomic_load_explicit(&ss->sent, memory_order_relaxed) : 0;
    *dropped = ss ? atomic_load_explicit(&ss->dropped, memory_order_relaxed) : 0;
}
