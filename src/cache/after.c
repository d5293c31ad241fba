/* SPDX-License-Identifier: MIT */
#include "cache/after.h"

#include "base/spans.h"
#include "cache/group_in.h"

void after_drop_flight(struct flight *f)
{
    struct group *g = f->group;

    if (flight_unref(f))
        group_unref(g);
}

/* A loader that ends a flight at once calls this function again, for the next flight. The inner
 * call leaves its flights to the outer one: else a long queue would fill the stack. */
static void start_flights(struct group *g, struct list *start)
{
    static _Thread_local struct {
        const struct group *group;
        struct list *start;
    } under_way;
    struct list *l, *outer_start = under_way.start;
    const struct group *outer = under_way.group;

    if (outer == g) {
        list_splice_back(outer_start, start);
        return;
    }
    under_way.group = g;
    under_way.start = start;
    while ((l = list_pop_front(start)))
        g->loader.local(g->loader.ctx, list_entry(l, struct flight, queued));
    under_way.group = outer;
    under_way.start = outer_start;
}

void after_init(struct after *a)
{
    list_init(&a->woken);
    list_init(&a->start);
    a->dropped = NULL;
    a->ended = NULL;
    a->unstarted = 0;
    a->ahead = 0;
    a->result.item = NULL;
}

/* A load that belongs to a trace has ended. */
static void end_span(const struct group *g, const struct flight *f, const struct result *r)
{
    struct span s;

    spans_begin(&s, f->trace, SPAN_LOAD, g->name);
    s.began_ns = f->opened_ns;
    s.source = f->kind == FLIGHT_LOCAL ? "local" : "peer";
    s.code = r->item ? ERR_OK : r->err.code;
    spans_end(g->loader.spans, &s);
}

void after_run(struct group *g, struct after *a)
{
    struct list *l;

    if (a->ended && a->ended->trace && g->loader.spans)
        end_span(g, a->ended, &a->result);

    while (a->dropped) {
        struct item *it = a->dropped;

        a->dropped = it->chain;
        item_unref(it);
    }
    while ((l = list_pop_front(&a->woken))) {
        struct waiter *w = list_entry(l, struct waiter, link);

        w->wake(w, &a->result);
    }
    item_unref(a->result.item);
    if (!list_empty(&a->start))
        start_flights(g, &a->start);
    if (a->unstarted)
        after_drop_flight(a->ended);
    if (a->ended)
        after_drop_flight(a->ended);
}
