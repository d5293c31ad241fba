/* SPDX-License-Identifier: MIT */
#include "base/histogram.h"

static const struct {
    uint64_t ns;
    const char *text;
} bounds[HISTOGRAM_BUCKETS] = {
    {100 * 1000, "0.0001"},
    {300 * 1000, "0.0003"},
    {1000 * 1000, "0.001"},
    {3000 * 1000, "0.003"},
    {10 * 1000 * 1000, "0.01"},
    {30 * 1000 * 1000, "0.03"},
    {100 * 1000 * 1000, "0.1"},
    {300 * 1000 * 1000, "0.3"},
    {1000 * 1000 * 1000, "1"},
    {UINT64_C(3000) * 1000 * 1000, "3"},
    {UINT64_C(10000) * 1000 * 1000, "10"},
    {UINT64_MAX, "+Inf"},
};

uint64_t histogram_bound_ns(unsigned i)
{
    return bounds[i].ns;
}

const char *histogram_bound_text(unsigned i)
{
    return bounds[i].text;
}

static unsigned bucket_of(uint64_t ns)
{
    unsigned i = 0;

    while (ns > bounds[i].ns)
        i++;
    return i;
}

void histogram_add(struct histogram *h, uint64_t ns, uint64_t times)
{
    h->counts[bucket_of(ns)] += times;
    h->sum_ns += ns * times;
}

void histogram_add_shared(struct histogram *h, uint64_t ns, uint64_t times)
{
    __atomic_fetch_add(&h->counts[bucket_of(ns)], times, __ATOMIC_RELAXED);
    __atomic_fetch_add(&h->sum_ns, ns * times, __ATOMIC_RELAXED);
}

void histogram_merge(struct histogram *to, const struct histogram *shared)
{
    unsigned i;

    for (i = 0; i < HISTOGRAM_BUCKETS; i++)
        to->counts[i] += __atomic_load_n(&shared->counts[i], __ATOMIC_RELAXED);
    to->sum_ns += __atomic_load_n(&shared->sum_ns, __ATOMIC_RELAXED);
}

uint64_t histogram_count(const struct histogram *h)
{
    uint64_t n = 0;
    unsigned i;

    for (i = 0; i < HISTOGRAM_BUCKETS; i++)
        n += h->counts[i];
    return n;
}
