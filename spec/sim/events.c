/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "base/clock.h"
#include "sim.h"

static struct event **heap; /* heap[1] is the next */
static size_t n, cap;
static uint64_t count, counted_ms; /* events that were set at this time */

static int is_before(const struct event *a, const struct event *b)
{
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->order < b->order;
}

static void put(struct event *ev, size_t slot)
{
    heap[slot] = ev;
    ev->slot = slot;
}

static void up(struct event *ev, size_t slot)
{
    for (; slot > 1 && is_before(ev, heap[slot / 2]); slot /= 2)
        put(heap[slot / 2], slot);
    put(ev, slot);
}

static void down(struct event *ev, size_t slot)
{
    size_t child;

    for (; (child = slot * 2) <= n; slot = child) {
        if (child < n && is_before(heap[child + 1], heap[child]))
            child++;
        if (!is_before(heap[child], ev))
            break;
        put(heap[child], slot);
    }
    put(ev, slot);
}

void events_set(struct event *ev, int node, uint64_t ms, void (*run)(struct event *ev))
{
    events_cancel(ev);
    if (n + 2 > cap) {
        cap = cap ? 2 * cap : 1024;
        heap = realloc(heap, cap * sizeof(struct event *));
        if (!heap)
            abort();
    }
    ev->at_ms = clock_ms() + ms;
    if (clock_ms() != counted_ms)
        count = 0;
    counted_ms = clock_ms();
    ev->order = sim_random(++count + counted_ms, ev->at_ms, UINT32_MAX);
    ev->node = node;
    ev->run = run;
    up(ev, ++n);
}

void events_cancel(struct event *ev)
{
    size_t slot = ev->slot;
    struct event *last;

    if (!slot)
        return;
    ev->slot = 0;
    last = heap[n--];
    if (last == ev)
        return;
    if (slot > 1 && is_before(last, heap[slot / 2]))
        up(last, slot);
    else
        down(last, slot);
}

int events_step(void)
{
    enum { STOPPED_MS = 20 };
    struct event *ev;

    if (!n)
        return 0;
    ev = heap[1];
    events_cancel(ev);
    if (ev->at_ms > clock_ms())
        clock_advance(ev->at_ms - clock_ms());
    if (ev->node >= 0 && sim_nodes[ev->node].stopped)
        events_set(ev, ev->node, STOPPED_MS, ev->run);
    else
        ev->run(ev);
    return 1;
}
