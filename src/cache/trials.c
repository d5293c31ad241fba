/* SPDX-License-Identifier: MIT */
#include "cache/trials.h"

#include <string.h>

#include "base/mem.h"
#include "cache/uses.h"

enum {
    SHARE = 32,       /* of the cache's bytes, at most; */
    SHARE_SMALL = 16, /* in caches of less than 72 KB, for ENTRIES_FEW */
    ENTRIES_FEW = 80,
    ENTRIES_MIN = 16, /* fewer decide nothing */
    ENTRIES_MAX = 10240,
    ENTRIES_AN_ITEM_10 = 25, /* tenths: entries for an item of a trial; most are in two or three */
    ADMIT_SHARE = 4,         /* of a trial: it is small, and a larger item would empty it */
    HALF = 4,                /* uses, by items of a trial, after which weights are halved */
    NOWHERE = 0,             /* in entry.in; else 1 and the list */
    NONE = UINT16_MAX
};

/* A key of the sample. Its places in the trials are 2 bits each. */
struct entry {
    uint32_t hash, cost;
    uint16_t chain;
    uint16_t prev[MANNERS], next[MANNERS]; /* in the list of each trial */
    uint8_t uses;
    uint8_t in;
};

struct trials {
    uint32_t mask;
    unsigned shift;
    uint16_t n, unused, free; /* entries; from `unused` on none was used; a chain */
    uint16_t chains_mask;
    uint16_t *chains;
    unsigned age;
    enum manner best;
    uint64_t bytes[MANNERS][MANNER_LISTS];
    int32_t lead[MANNERS][MANNERS]; /* hits of the first that the second had not, less the others */
    int32_t apart[MANNERS][MANNERS]; /* both together */
    uint32_t counted, half;
    struct entry entries[]; /* behind the n: the heads of the lists */
};

static size_t entries_for(size_t items, uint64_t bytes)
{
    const size_t cost =
        sizeof(struct entry) + 2 * sizeof(uint16_t); /* its share of the chains too */
    uint64_t n = bytes / SHARE / cost, few = bytes / SHARE_SMALL / cost;

    if (n > items)
        n = items;
    if (n < ENTRIES_FEW)
        n = few < ENTRIES_FEW ? few : ENTRIES_FEW;
    return n > ENTRIES_MAX ? ENTRIES_MAX : (size_t)n;
}

static size_t power_of_two(size_t n)
{
    size_t p = 1;

    while (p < n)
        p *= 2;
    return p;
}

static uint16_t head(const struct trials *t, enum manner_list list)
{
    return (uint16_t)(t->n + list);
}

struct trials *trials_new(size_t items, uint64_t bytes, enum manner first)
{
    size_t n = entries_for(items, bytes), chains = power_of_two(n / 2),
           held = n * 10 / ENTRIES_AN_ITEM_10;
    size_t size = sizeof(struct trials) + (n + MANNER_LISTS) * sizeof(struct entry);
    struct trials *t;
    unsigned l, m;

    if (n < ENTRIES_MIN)
        return NULL;
    t = mem_alloc(size + chains * sizeof(uint16_t));
    if (!t)
        return NULL;
    memset(t, 0, size);
    while (items >> t->shift > held)
        t->shift++;
    t->mask = (UINT32_C(1) << t->shift) - 1;
    t->n = (uint16_t)n;
    t->free = NONE;
    t->chains = (uint16_t *)(void *)((char *)t + size);
    t->chains_mask = (uint16_t)(chains - 1);
    memset(t->chains, 0xff, chains * sizeof(uint16_t));
    t->best = first;
    t->half = (uint32_t)(HALF * held);
    for (l = 0; l < MANNER_LISTS; l++) {
        for (m = 0; m < MANNERS; m++)
            t->entries[n + l].prev[m] = t->entries[n + l].next[m] = (uint16_t)(n + l);
    }
    return t;
}

void trials_free(struct trials *t)
{
    mem_free(t);
}

size_t trials_bytes(const struct trials *t)
{
    return t ? mem_cost(t) : 0;
}

uint32_t trials_mask(const struct trials *t)
{
    return t->mask;
}

enum manner trials_best(const struct trials *t)
{
    return t->best;
}

/* --- entries --- */

static uint16_t *chain(struct trials *t, uint32_t hash)
{
    return &t->chains[(hash >> t->shift) & t->chains_mask];
}

static uint16_t *find(struct trials *t, uint32_t hash)
{
    uint16_t *at = chain(t, hash);

    while (*at != NONE && t->entries[*at].hash != hash)
        at = &t->entries[*at].chain;
    return at;
}

static uint16_t new_entry(struct trials *t, uint32_t hash)
{
    uint16_t i = t->free, *at = chain(t, hash);

    if (i != NONE)
        t->free = t->entries[i].chain;
    else if (t->unused < t->n)
        i = t->unused++;
    else
        return NONE;
    t->entries[i].hash = hash;
    t->entries[i].in = 0;
    t->entries[i].cost = 0;
    t->entries[i].chain = *at;
    *at = i;
    return i;
}

static void free_entry(struct trials *t, uint16_t i)
{
    uint16_t *at = find(t, t->entries[i].hash);

    *at = t->entries[i].chain;
    t->entries[i].chain = t->free;
    t->free = i;
}

/* NOWHERE, or 1 and the list. */
static unsigned place(const struct entry *e, enum manner m)
{
    return e->in >> 2 * m & 3;
}

static void set_place(struct entry *e, enum manner m, unsigned to)
{
    e->in = (uint8_t)((e->in & ~(3U << 2 * m)) | to << 2 * m);
}

/* --- the lists of a trial --- */

static void unlink_entry(struct trials *t, enum manner m, uint16_t i)
{
    const struct entry *e = &t->entries[i];

    t->entries[e->prev[m]].next[m] = e->next[m];
    t->entries[e->next[m]].prev[m] = e->prev[m];
}

static void push(struct trials *t, enum manner m, enum manner_list list, uint16_t i)
{
    uint16_t h = head(t, list);
    struct entry *e = &t->entries[i];

    e->prev[m] = h;
    e->next[m] = t->entries[h].next[m];
    t->entries[e->next[m]].prev[m] = i;
    t->entries[h].next[m] = i;
}

static void take(struct trials *t, enum manner m, uint16_t i)
{
    struct entry *e = &t->entries[i];

    unlink_entry(t, m, i);
    t->bytes[m][place(e, m) - 1] -= e->cost;
    set_place(e, m, NOWHERE);
}

static void put(struct trials *t, enum manner m, enum manner_list list, uint16_t i)
{
    struct entry *e = &t->entries[i];

    push(t, m, list, i);
    t->bytes[m][list] += e->cost;
    set_place(e, m, 1 + (unsigned)list);
}

static void move(struct trials *t, enum manner m, enum manner_list to, uint16_t i)
{
    take(t, m, i);
    put(t, m, to, i);
}

/* The last of a list; NONE: it is empty. */
static uint16_t last(const struct trials *t, enum manner m, enum manner_list list)
{
    uint16_t i = t->entries[head(t, list)].prev[m];

    return i < t->n ? i : NONE;
}

static unsigned uses(struct trials *t, uint16_t i)
{
    return uses_count(&t->entries[i].uses, t->age);
}

static uint64_t held(const struct trials *t, enum manner m)
{
    const uint64_t *b = t->bytes[m];

    return b[LIST_WINDOW] + b[LIST_PROBATION] + b[LIST_PROTECTED];
}

/* --- a use --- */

/* As order.c does it with items. */
static void hit(struct trials *t, enum manner m, uint16_t i, uint64_t bytes)
{
    enum manner_list list = place(&t->entries[i], m) - 1;
    uint64_t most = manner_protected(m, bytes);
    int steps;
    uint16_t old;

    if (list > manner_settled(m)) {
        move(t, m, m == MANNER_RECENT ? LIST_WINDOW : LIST_PROTECTED, i);
        for (steps = 0; steps < MANNER_STEPS && t->bytes[m][LIST_PROTECTED] > most; steps++) {
            old = last(t, m, LIST_PROTECTED);
            move(t, m, LIST_PROBATION, old);
        }
        return;
    }
    unlink_entry(t, m, i);
    push(t, m, list, i);
}

/* The item that gives way to another one of so many bytes; NONE: there is none. */
static uint16_t choose(struct trials *t, enum manner m, uint64_t cost, uint64_t bytes)
{
    uint16_t oldest = last(t, m, LIST_WINDOW), victim = last(t, m, LIST_PROBATION);

    if (victim == NONE)
        victim = last(t, m, LIST_PROTECTED);
    if (victim == NONE)
        return oldest;
    if (oldest == NONE || t->bytes[m][LIST_WINDOW] + cost <= manner_window(m, bytes))
        return victim;
    if (!manner_admits(m, uses(t, oldest), uses(t, victim)))
        return oldest;
    move(t, m, LIST_PROBATION, oldest);
    return victim;
}

static void drop(struct trials *t, enum manner m, uint16_t i)
{
    take(t, m, i);
    if (!t->entries[i].in)
        free_entry(t, i);
}

/* While the main part lacks items, the oldest of the window move there. */
static void settle(struct trials *t, enum manner m, uint64_t bytes)
{
    uint64_t window = manner_window(m, bytes);
    int steps;

    for (steps = 0; steps < MANNER_STEPS; steps++) {
        uint16_t oldest = last(t, m, LIST_WINDOW);

        if (oldest == NONE || t->bytes[m][LIST_WINDOW] < window + t->entries[oldest].cost)
            return;
        move(t, m, LIST_PROBATION, oldest);
    }
}

static void miss(struct trials *t, enum manner m, uint16_t i, uint64_t bytes)
{
    uint64_t cost = t->entries[i].cost;
    int steps;

    for (steps = 0; steps < MANNER_STEPS && held(t, m) + cost > bytes; steps++) {
        uint16_t victim = choose(t, m, cost, bytes);

        if (victim == NONE)
            break;
        drop(t, m, victim);
    }
    put(t, m, LIST_WINDOW, i);
}

/* --- the score --- */

static void halve(struct trials *t)
{
    unsigned a, b;

    for (a = 0; a < MANNERS; a++) {
        for (b = 0; b < MANNERS; b++) {
            t->lead[a][b] /= 2;
            t->apart[a][b] /= 2;
        }
    }
}

/* By how many deviations a lead must be larger than chance gives. Recent evicts as all expect it,
 * so another manner needs more for it to give way, and it needs less to return. */
static int deviations(enum manner from, enum manner to)
{
    if (to == MANNER_RECENT)
        return 1;
    return from == MANNER_RECENT ? 3 : 2;
}

/* Chance alone gives a lead of the square root of how often the two were apart. */
static int is_proven(int64_t lead, int64_t apart, int z)
{
    return lead > 0 && lead * lead > z * z * (apart + 1);
}

static void choose_best(struct trials *t)
{
    enum manner was = t->best, m;
    int32_t lead = 0;

    for (m = 0; m < MANNERS; m++) {
        if (t->lead[m][was] > lead &&
            is_proven(t->lead[m][was], t->apart[m][was], deviations(was, m))) {
            lead = t->lead[m][was];
            t->best = m;
        }
    }
}

/* Bit m of `hits`: it was a hit in that trial. */
static void score(struct trials *t, unsigned hits)
{
    unsigned a, b;

    if (++t->counted >= t->half) {
        t->counted = 0;
        halve(t);
    }
    if (!hits || hits == (1U << MANNERS) - 1)
        return;
    for (a = 0; a < MANNERS; a++) {
        for (b = 0; b < MANNERS; b++) {
            int d = (int)(hits >> a & 1) - (int)(hits >> b & 1);

            t->lead[a][b] += d;
            t->apart[a][b] += d ? 1 : 0;
        }
    }
    choose_best(t);
}

/* Each trial loses an item, so there will be entries again. */
static void make_room(struct trials *t)
{
    enum manner m;

    for (m = 0; m < MANNERS; m++) {
        uint16_t victim = choose(t, m, 0, held(t, m));

        if (victim != NONE)
            drop(t, m, victim);
    }
}

static void set_cost(struct trials *t, uint16_t i, uint32_t cost)
{
    struct entry *e = &t->entries[i];
    enum manner m;

    for (m = 0; m < MANNERS; m++) {
        if (place(e, m) != NOWHERE)
            t->bytes[m][place(e, m) - 1] += (uint64_t)cost - e->cost;
    }
    e->cost = cost;
}

int trials_use(struct trials *t, uint32_t hash, uint8_t with_uses, unsigned age, uint64_t cost,
               uint64_t cache_bytes)
{
    uint64_t bytes = cache_bytes >> t->shift;
    uint16_t i = *find(t, hash);
    unsigned hits = 0;
    enum manner m;

    t->age = age;
    if (cost > bytes / ADMIT_SHARE)
        return 1; /* larger than a trial can have */
    if (i == NONE)
        i = new_entry(t, hash);
    if (i == NONE) {
        make_room(t);
        return 0;
    }
    t->entries[i].uses = with_uses;
    set_cost(t, i, (uint32_t)cost);
    for (m = 0; m < MANNERS; m++) {
        settle(t, m, bytes);
        if (place(&t->entries[i], m) == NOWHERE) {
            miss(t, m, i, bytes);
            continue;
        }
        hit(t, m, i, bytes);
        hits |= 1U << m;
    }
    score(t, hits);
    return 1;
}

void trials_forget(struct trials *t, uint32_t hash)
{
    uint16_t i = *find(t, hash);
    enum manner m;

    if (i == NONE)
        return;
    for (m = 0; m < MANNERS; m++) {
        if (place(&t->entries[i], m) != NOWHERE)
            take(t, m, i);
    }
    free_entry(t, i);
}
