/* SPDX-License-Identifier: MIT */
/* group_ahead.c - values that are loaded again before they expire, so that no get waits for them.
 *
 * Each hit draws a number u, uniform in (0, 1]. It begins a load if now - D * B * ln(u) is past the
 * value's end: D is the time that the value's load took, B the option refresh_ahead. So keys with
 * many hits are loaded again, most of them within a few D of the end, and keys without are not. The
 * source of the rule is XFetch, in Vattani, Chierichetti and Lowenstein, "Optimal Probabilistic
 * Cache Stampede Prevention", VLDB 2015. The load is one flight, of the key's owner alone. */
#include <math.h>

#include "base/clock.h"
#include "base/random.h"
#include "cache/group_in.h"

enum {
    THOUSAND = 1000,
    MEAN_OF = 16,  /* group.mean_took_16 */
    FAR = 37,      /* -ln(u) is less for all u of 53 bits */
    READER_FAR = 5 /* one hit in e^5 begins a load earlier than so many times D * B */
};

static double scale_ms(const struct group *g, double took_ms)
{
    return took_ms * (double)g->opts.refresh_ahead / THOUSAND;
}

/* The time that the load of a value took, at least 1 ms; of a value that was set, the mean. */
static double took_ms(const struct group *g, const struct item *it)
{
    uint64_t ms = item_end(it)->took_ms ? item_end(it)->took_ms : g->mean_took_16 / MEAN_OF;

    return ms ? (double)ms : 1;
}

int group_ahead_is_due_locked(struct group *g, const struct item *it)
{
    uint64_t now_ms;
    double left_ms, scale;

    if (!g->opts.refresh_ahead || !it->mortal || item_failures(it))
        return 0;
    now_ms = clock_ms();
    left_ms = item_expires_ms(it) > now_ms ? (double)(item_expires_ms(it) - now_ms) : 0;
    scale = scale_ms(g, took_ms(g, it));
    if (left_ms > scale * FAR)
        return 0;
    return scale * -log(random_fraction(&g->random)) >= left_ms;
}

void group_ahead_note_locked(struct group *g)
{
    double ms = scale_ms(g, (double)(g->mean_took_16 / MEAN_OF + 1)) * READER_FAR;

    atomic_store_explicit(&g->ahead_ms, (uint64_t)ms, memory_order_relaxed);
}

void group_ahead_took(struct item *it, const struct flight *f)
{
    uint64_t began_ns = atomic_load(&f->began_ns), now_ns = clock_ns(), ms;

    if (!it->mortal || !began_ns || now_ns <= began_ns)
        return;
    ms = (now_ns - began_ns) / 1000000;
    item_end(it)->took_ms = (uint16_t)(ms < UINT16_MAX ? ms : UINT16_MAX);
}
