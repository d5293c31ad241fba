/* SPDX-License-Identifier: MIT */
#include "cache/breaker.h"

#include <string.h>

static const uint64_t NS_PER_MS = 1000000;

static int concerns(const struct breaker *b, uint32_t hash)
{
    return b->many || b->key == hash;
}

int breaker_admits(struct breaker *b, uint32_t hash, uint64_t now_ns)
{
    if (!b->opened_ns || !concerns(b, hash))
        return 1;
    if (now_ns < b->next_ns)
        return 0;
    b->pause_ms = b->pause_ms < BREAKER_LAST_MS / 2 ? 2 * b->pause_ms : BREAKER_LAST_MS;
    b->next_ns = now_ns + b->pause_ms * NS_PER_MS;
    return 1;
}

void breaker_reset(struct breaker *b)
{
    memset(b, 0, sizeof(*b));
}

static void turn_window(struct breaker *b, uint64_t now_ns)
{
    uint64_t window_ns = BREAKER_WINDOW_MS * NS_PER_MS, passed = now_ns - b->window_ns;

    if (passed < window_ns)
        return;
    b->good[1] = passed < 2 * window_ns ? b->good[0] : 0;
    b->bad[1] = passed < 2 * window_ns ? b->bad[0] : 0;
    b->good[0] = b->bad[0] = 0;
    b->window_ns = now_ns;
}

static int is_large_share(const struct breaker *b, uint64_t share)
{
    uint64_t bad = b->bad[0] + b->bad[1], all = bad + b->good[0] + b->good[1];

    return share && bad >= BREAKER_LEAST && bad * 1000 > share * all;
}

static int open_it(struct breaker *b, uint64_t now_ns)
{
    b->opened_ns = now_ns ? now_ns : 1;
    b->pause_ms = BREAKER_FIRST_MS;
    b->next_ns = now_ns + b->pause_ms * NS_PER_MS;
    return 1;
}

/* It is open for one key, which nobody has asked for since its last pause. */
static int is_forgotten(const struct breaker *b, uint64_t now_ns)
{
    return now_ns >= b->next_ns + BREAKER_FORGET_MS * NS_PER_MS;
}

static int note_good(struct breaker *b, uint32_t hash, uint64_t began_ns, uint64_t now_ns)
{
    if (!b->opened_ns) {
        b->in_row = 0;
        return 0;
    }
    if (!concerns(b, hash))
        b->beside = 0;
    if (concerns(b, hash) ? began_ns < b->opened_ns : !is_forgotten(b, now_ns))
        return 0;
    breaker_reset(b);
    return 1;
}

/* Opens for all keys what is open for one, if others fail as well. */
static int note_bad_open(struct breaker *b, const struct breaker_bounds *bounds, uint32_t hash,
                         uint64_t now_ns)
{
    if (concerns(b, hash) || (++b->beside < bounds->in_row && !is_large_share(b, bounds->share)))
        return 0;
    b->many = 1;
    return open_it(b, now_ns);
}

static void note_bad(struct breaker *b, uint32_t hash)
{
    b->many = b->in_row++ && (b->many || b->key != hash);
    b->key = hash;
}

int breaker_note(struct breaker *b, const struct breaker_bounds *bounds, uint32_t hash, int good,
                 uint64_t began_ns, uint64_t now_ns)
{
    if (!bounds->in_row && !bounds->share)
        return 0;
    turn_window(b, now_ns);
    *(good ? &b->good[0] : &b->bad[0]) += 1;
    if (good)
        return note_good(b, hash, began_ns, now_ns);
    if (b->opened_ns)
        return note_bad_open(b, bounds, hash, now_ns);
    note_bad(b, hash);
    if (bounds->in_row && b->in_row >= bounds->in_row)
        return open_it(b, now_ns);
    if (!is_large_share(b, bounds->share))
        return 0;
    b->many = 1;
    return open_it(b, now_ns);
}
