/* SPDX-License-Identifier: MIT */
#include "base/seldom.h"

#include <stdint.h>

#include "base/clock.h"

enum { EVERY_MS = 1000 };

unsigned seldom_count(struct seldom *s)
{
    uint64_t now = clock_ms() + 1;
    uint_fast64_t last = atomic_load(&s->last_ms);

    atomic_fetch_add(&s->count, 1);
    if (last && now < last + EVERY_MS)
        return 0;
    if (!atomic_compare_exchange_strong(&s->last_ms, &last, now))
        return 0;
    return atomic_exchange(&s->count, 0);
}
