/* SPDX-License-Identifier: MIT */
#include "http/budget.h"

int budget_take(struct budget *b, size_t bytes)
{
    return budget_take_for(b, bytes, 0);
}

int budget_take_for(struct budget *b, size_t bytes, size_t most)
{
    size_t used = atomic_fetch_add_explicit(&b->used, bytes, memory_order_relaxed);

    most = most > b->max ? most : b->max;
    if (used <= most && bytes <= most - used)
        return 1;
    budget_give(b, bytes);
    if (b->refused)
        atomic_fetch_add_explicit(b->refused, 1, memory_order_relaxed);
    return 0;
}

void budget_give(struct budget *b, size_t bytes)
{
    atomic_fetch_sub_explicit(&b->used, bytes, memory_order_relaxed);
}
