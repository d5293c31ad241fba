/* SPDX-License-Identifier: MIT */
/* budget.h - a bound on bytes that all current requests of a server share. Any thread. */
#ifndef BUDGET_H
#define BUDGET_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct budget {
    atomic_size_t used;
    size_t max;                /* set once, as is the next */
    _Atomic uint64_t *refused; /* borrowed: counts refusals; NULL: nobody does */
};

/* 0: that would be too much. */
int budget_take(struct budget *b, size_t bytes);

/* The same with a bound of `most` bytes if that is more: for a body that alone may have so many. */
int budget_take_for(struct budget *b, size_t bytes, size_t most);

void budget_give(struct budget *b, size_t bytes);

#endif
