/* SPDX-License-Identifier: MIT */
#include "peer/balance.h"

#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"

enum { SEEN_BITS_PER_KEY = 16, WORD = 64 };

struct balance {
    size_t peers, sample;       /* set once */
    size_t seen_mask;           /* set once: the bits of `seen`, minus one */
    atomic_size_t taken;        /* keys counted */
    atomic_size_t *counts;      /* owned, by place */
    atomic_uint_fast64_t *seen; /* owned: a bit for each counted hash. Two keys with the same bit
                                 * count once: a few in a hundred */
};

struct balance *balance_new(size_t n)
{
    struct balance *b;
    size_t bits = WORD, i;

    if (n < 2)
        return NULL;
    b = mem_zalloc(sizeof(*b));
    b->peers = n;
    b->sample = n * BALANCE_KEYS_PER_PEER > BALANCE_KEYS ? n * BALANCE_KEYS_PER_PEER : BALANCE_KEYS;
    while (bits < b->sample * SEEN_BITS_PER_KEY)
        bits *= 2;
    b->seen_mask = bits - 1;
    b->counts = mem_alloc(n * sizeof(*b->counts));
    b->seen = mem_alloc(bits / WORD * sizeof(*b->seen));
    if (!b->counts || !b->seen) {
        balance_free(b);
        return NULL;
    }
    for (i = 0; i < n; i++)
        atomic_init(&b->counts[i], 0);
    for (i = 0; i < bits / WORD; i++)
        atomic_init(&b->seen[i], 0);
    return b;
}

void balance_free(struct balance *b)
{
    if (!b)
        return;
    mem_free(b->counts);
    mem_free(b->seen);
    mem_free(b);
}

static int first_time(struct balance *b, const void *key, size_t key_len)
{
    size_t at = (size_t)hash_table(key, key_len) & b->seen_mask;
    uint64_t bit = (uint64_t)1 << at % WORD;

    return !(atomic_fetch_or_explicit(&b->seen[at / WORD], bit, memory_order_relaxed) & bit);
}

static int judge(struct balance *b, struct balance_skew *out)
{
    size_t i, count, most = 0, total = 0;

    for (i = 0; i < b->peers; i++) {
        count = atomic_load_explicit(&b->counts[i], memory_order_relaxed);
        total += count;
        if (count > most) {
            most = count;
            out->busiest = i;
        }
    }
    out->keys = total;
    out->share = (double)most / (double)total;
    return most * (b->peers - 1) > BALANCE_FACTOR * (total - most);
}

int balance_count(struct balance *b, const void *key, size_t key_len, size_t place,
                  struct balance_skew *out)
{
    if (!b || atomic_load_explicit(&b->taken, memory_order_relaxed) >= b->sample ||
        !first_time(b, key, key_len))
        return 0;
    atomic_fetch_add_explicit(&b->counts[place], 1, memory_order_relaxed);
    if (atomic_fetch_add_explicit(&b->taken, 1, memory_order_relaxed) + 1 != b->sample)
        return 0;
    return judge(b, out);
}
