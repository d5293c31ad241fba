/* SPDX-License-Identifier: MIT */
#include "base/timers.h"

#include <limits.h>
#include <string.h>

#include "base/mem.h"

void timers_init(struct timers *ts)
{
    memset(ts, 0, sizeof(*ts));
}

void timers_deinit(struct timers *ts)
{
    size_t i;

    for (i = 1; i <= ts->n; i++)
        ts->heap[i]->slot = 0;
    mem_free(ts->heap);
    timers_init(ts);
}

static void place(struct timers *ts, struct timer *t, size_t slot)
{
    ts->heap[slot] = t;
    t->slot = slot;
}

/* Puts t where it belongs, starting from the free slot i. */
static void settle(struct timers *ts, struct timer *t, size_t i)
{
    while (i > 1 && ts->heap[i / 2]->at_ms > t->at_ms) {
        place(ts, ts->heap[i / 2], i);
        i /= 2;
    }
    for (;;) {
        size_t child = 2 * i;

        if (child > ts->n)
            break;
        if (child < ts->n && ts->heap[child + 1]->at_ms < ts->heap[child]->at_ms)
            child++;
        if (ts->heap[child]->at_ms >= t->at_ms)
            break;
        place(ts, ts->heap[child], i);
        i = child;
    }
    place(ts, t, i);
}

enum err timers_set(struct timers *ts, struct timer *t, uint64_t at_ms)
{
    if (!t->slot) {
        if (ts->n + 2 > ts->cap) {
            size_t cap = ts->cap ? ts->cap * 2 : 16;
            struct timer **heap = mem_realloc(ts->heap, cap * sizeof(*heap));

            if (!heap)
                return ERR_NOMEM;
            ts->heap = heap;
            ts->cap = cap;
        }
        t->slot = ++ts->n;
    }
    t->at_ms = at_ms;
    settle(ts, t, t->slot);
    return ERR_OK;
}

void timers_cancel(struct timers *ts, struct timer *t)
{
    struct timer *last;
    size_t hole = t->slot;

    if (!hole)
        return;
    t->slot = 0;
    last = ts->heap[ts->n--];
    if (last != t)
        settle(ts, last, hole);
}

void timers_run(struct timers *ts, uint64_t now_ms)
{
    while (ts->n && ts->heap[1]->at_ms <= now_ms) {
        struct timer *t = ts->heap[1];

        timers_cancel(ts, t);
        t->run(t);
    }
}

int timers_wait_ms(const struct timers *ts, uint64_t now_ms)
{
    uint64_t left;

    if (!ts->n)
        return -1;
    if (ts->heap[1]->at_ms <= now_ms)
        return 0;
    left = ts->heap[1]->at_ms - now_ms;
    return left > INT_MAX ? INT_MAX : (int)left;
}
