/* SPDX-License-Identifier: MIT */
#include "script/calls.h"

#include "base/list.h"
#include "base/mem.h"
#include "cache/flight.h"
#include "cache/group.h"

struct call {
    struct list link;  /* in calls.list */
    unsigned keys;     /* once it has begun */
    unsigned left;     /* of these, the loads that have not ended */
    uint64_t began_ms; /* or was ready, until it has begun */
    uint64_t deadline_ms;
};

static unsigned keys_of(const struct flight *first)
{
    return first->n_companions + 1;
}

static int is_full(const struct flight *first)
{
    return keys_of(first) >= group_max_keys(first->group);
}

static void close_full(struct calls *g, const struct flight *first)
{
    if (g->first == first && is_full(first))
        g->first = NULL;
}

struct flight *calls_join(struct flight *f)
{
    struct calls *g = group_calls(f->group);
    struct flight *first = g->first;

    if (!first) {
        g->first = f;
        return f;
    }
    list_push_back(&first->companions, &f->queued);
    first->n_companions++;
    close_full(g, first);
    return first;
}

/* The newest call that runs, or NULL. Sets the number of those that run, and the earliest deadline
 * of one. */
static const struct call *running(struct calls *g, uint64_t now_ms, unsigned *n, uint64_t *ends_ms)
{
    const struct call *newest = NULL;
    struct list *l;

    *n = 0;
    *ends_ms = UINT64_MAX;
    list_each (l, &g->list) {
        const struct call *c = list_entry(l, struct call, link);

        if (c->deadline_ms <= now_ms)
            continue;
        if (!newest)
            newest = c;
        if (c->deadline_ms < *ends_ms)
            *ends_ms = c->deadline_ms;
        ++*n;
    }
    return newest;
}

uint64_t calls_wait_ms(const struct flight *first, uint64_t now_ms)
{
    struct calls *g = group_calls(first->group);
    uint64_t ends_ms, at_ms = 0;
    unsigned n;
    const struct call *newest = running(g, now_ms, &n, &ends_ms);

    if (n >= group_max_loads(first->group))
        return ends_ms;
    if (is_full(first))
        return 0;
    at_ms = first->handed_ms + group_gather_ms(first->group);
    if (newest && at_ms < newest->began_ms + CALLS_PATIENCE_MS)
        at_ms = newest->began_ms + CALLS_PATIENCE_MS;
    else if (!newest && keys_of(first) < g->expected && at_ms < g->expect_until_ms)
        at_ms = g->expect_until_ms;
    return at_ms > now_ms ? at_ms : 0;
}

void calls_ready(struct flight *first, uint64_t now_ms)
{
    struct call *c = mem_zalloc(sizeof(*c));

    c->began_ms = now_ms;
    c->deadline_ms = first->deadline_ms;
    list_push_front(&group_calls(first->group)->list, &c->link);
    first->call = c;
}

static void leave(struct flight *first)
{
    struct calls *g = group_calls(first->group);

    if (g->first == first)
        g->first = NULL;
}

void calls_begin(struct flight *first, uint64_t now_ms)
{
    struct call *c = first->call;
    struct list *l;

    c->began_ms = now_ms;
    c->keys = c->left = keys_of(first);
    list_each (l, &first->companions) {
        list_entry(l, struct flight, queued)->call = c;
    }
    leave(first);
}

static void call_free(struct call *c)
{
    list_del(&c->link);
    mem_free(c);
}

void calls_drop(struct flight *first)
{
    if (first->call)
        call_free(first->call);
    first->call = NULL;
    leave(first);
}

static void expect(struct calls *g, const struct call *c, uint64_t now_ms)
{
    uint64_t took_ms = now_ms - c->began_ms, moment_ms = (took_ms + 3) / 4;

    g->expected = c->keys;
    g->expect_until_ms = now_ms + (moment_ms < CALLS_MOMENT_MS ? moment_ms : CALLS_MOMENT_MS);
}

int calls_end(struct flight *f, uint64_t now_ms)
{
    struct call *c = f->call;

    f->call = NULL;
    if (--c->left)
        return 0;
    expect(group_calls(f->group), c, now_ms);
    call_free(c);
    return 1;
}
