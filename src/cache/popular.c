/* SPDX-License-Identifier: MIT */
#include "cache/popular.h"

#include <stdlib.h>
#include <string.h>

static struct popular_key *place_of(struct popular *p, const struct key_ref *k)
{
    struct popular_key *least = &p->keys[0];
    size_t i;

    for (i = 0; i < POPULAR_KEYS; i++) {
        struct popular_key *at = &p->keys[i];

        if (at->hash == k->hash && at->count && at->key_len == k->n)
            return at;
        if (at->count < least->count)
            least = at;
    }
    return least;
}

void popular_add(struct popular *p, const struct key_ref *k, uint32_t times)
{
    struct popular_key *at = place_of(p, k);

    if (at->hash != k->hash || !at->count || at->key_len != k->n) {
        at->error = at->count;
        at->hash = k->hash;
        at->key_len = (uint32_t)k->n;
        memcpy(at->key, k->bytes, k->n < sizeof(at->key) ? k->n : sizeof(at->key));
    }
    if (at->count <= UINT32_MAX - times)
        at->count += times;
}

void popular_tick(struct popular *p, uint64_t now_ms)
{
    size_t i;

    if (!p->halved_ms)
        p->halved_ms = now_ms;
    for (; now_ms >= p->halved_ms + POPULAR_HALF_MS; p->halved_ms += POPULAR_HALF_MS) {
        if (now_ms > p->halved_ms + 40 * POPULAR_HALF_MS) /* nothing is left after 32 halves */
            p->halved_ms = now_ms - 40 * POPULAR_HALF_MS;
        for (i = 0; i < POPULAR_KEYS; i++) {
            p->keys[i].count /= 2;
            p->keys[i].error /= 2;
        }
    }
}

static int by_count(const void *a, const void *b)
{
    const struct popular_key *x = a, *y = b;

    return x->count < y->count ? 1 : x->count > y->count ? -1 : 0;
}

size_t popular_list(const struct popular *p, struct popular_key out[POPULAR_KEYS])
{
    size_t i, n = 0;

    for (i = 0; i < POPULAR_KEYS; i++)
        if (p->keys[i].count / 2 >= p->keys[i].error && p->keys[i].count)
            out[n++] = p->keys[i];
    qsort(out, n, sizeof(*out), by_count);
    return n;
}

/* A steady rate of r leaves 10 r after each halving, and adds r a second until the next. */
double popular_rate(const struct popular *p, const struct popular_key *k, uint64_t now_ms)
{
    uint64_t since_ms = p->halved_ms && now_ms > p->halved_ms ? now_ms - p->halved_ms : 0;

    return (double)(k->count - k->error) * 60000 / (double)(POPULAR_HALF_MS + since_ms);
}
