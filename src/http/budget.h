/* SPDX-License-Identifier: MIT */
/* budget.h - bytes that all requests under way of a server share. Any thread. */
#ifndef BUDGET_H
#define BUDGET_H

#include <stdatomic.h>
#include <stddef.h>

struct budget {
    atomic_size_t used;
    size_t max; /* set once */
};

/* 0 when that would be too much. */
int budget_take(struct budget *b, size_t bytes);
void budget_give(struct budget *b, size_t bytes);

#endif
