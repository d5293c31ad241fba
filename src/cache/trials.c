/* SPDX-License-Identifier: MIT */
#include "cache/trials.h"

#include <string.h>

#include "base/mem.h"
#include "cache/uses.h"

enum {
    SHARE = 96,  /* of the cache's bytes, at most, beside TRIALS_FIXED */
    ONE_IN = 32, /* items in a trial, beside those of TRIALS_FIXED: 1.7 bytes an item */
    ITEMS_MAX = 16384,
    SPARE_8 = 1,       /* eighths: room for more items, since the sample's sizes differ */
    ADMIT_SHARE = 4,   /* of a trial: it is small, and a larger item would empty it */
    COST_BITS = 11,    /* of a cost; the others are its exponent */
    NOTES = 128,       /* uses noted at most */
    CHAINS_APART = 21, /* buckets between those of a key in two trials */
    NONE = UINT16_MAX
};

/* By how many hits a manner must lead to take the place of the best one: so many percent of the
 * items of a trial, and a few. */
enum {
    FROM_RECENT = 30,       /* it evicts as all expect it */
    FROM_RECENT_LEAST = 10, /* hits */
    TO_RECENT = 4,
    TO_OTHER = 15,
    BY_CHANCE = 2 /* hits */
};

/* A key of the sample in one of the trials. */
struct entry {
    uint16_t low, high; /* the hash, in halves: so an entry has 14 bytes, not 16 */
    uint16_t chain;     /* the next of the bucket, or of those that are free */
    uint16_t prev, next;
    uint16_t cost; /* pack_cost() */
    uint8_t uses;
    uint8_t trial : 4, list : 4;
};

/* A use that waits for trials_catch_up(). */
struct noted {
    uint32_t hash;
    uint16_t cost; /* pack_cost() */
    uint8_t uses;
};

struct trials {
    uint32_t mask;
    unsigned shift;
    uint16_t n, unused, free; /* entries; from `unused` on none was used; a chain */
    uint16_t most;            /* items of a trial */
    uint16_t chains_mask;
    uint16_t *chains;
    unsigned age;
    enum manner best;
    uint16_t items[MANNERS];
    uint64_t bytes[MANNERS][MANNER_LISTS];
    int32_t lead[MANNERS][MANNERS]; /* hits of the first that the second had not, less the others */
    unsigned nnoted;
    struct noted noted[NOTES];
    struct entry entries[]; /* behind the n: the heads of the lists */
};

/* Items of a trial for which there are bytes. */
static size_t items_for(size_t items, uint64_t bytes)
{
    const size_t cost = MANNERS * (sizeof(struct entry) + sizeof(uint16_t)) * (8 + SPARE_8) / 8;
    const size_t heads = MANNERS * MANNER_LISTS * sizeof(struct entry);
    uint64_t n = bytes / SHARE / cost;

    if (n > items / ONE_IN)
        n = items / ONE_IN;
    n += (TRIALS_FIXED - sizeof(struct trials) - heads) / cost - 1;
    if (n > items)
        n = items;
    return n > ITEMS_MAX ? ITEMS_MAX : (size_t)n;
}

static size_t power_of_two(size_t n)
{
    size_t p = 1;

    while (p < n)
        p *= 2;
    return p;
}

static uint16_t head(const struct trials *t, enum manner m, enum manner_list list)
{
    return (uint16_t)(t->n + m * MANNER_LISTS + list);
}

struct trials *trials_new(size_t items, uint64_t bytes, enum manner first)
{
    size_t held = items_for(items, bytes), chains, n, size;
    unsigned shift = 0, l;
    struct trials *t;

    while (items >> shift > held)
        shift++;
    held = (items >> shift) + 1;
    held += held * SPARE_8 / 8;
    n = held * MANNERS;
    chains = power_of_two(n / 2);
    size = sizeof(struct trials) + (n + MANNERS * MANNER_LISTS) * sizeof(struct entry);
    t = mem_alloc(size + chains * sizeof(uint16_t));
    if (!t)
        return NULL;
    memset(t, 0, size);
    t->shift = shift;
    t->mask = (UINT32_C(1) << t->shift) - 1;
    t->n = (uint16_t)n;
    t->most = (uint16_t)held;
    t->free = NONE;
    t->chains = (uint16_t *)(void *)((char *)t + size);
    t->chains_mask = (uint16_t)(chains - 1);
    memset(t->chains, 0xff, chains * sizeof(uint16_t));
    t->best = first;
    for (l = 0; l < MANNERS * MANNER_LISTS; l++)
        t->entries[n + l].prev = t->entries[n + l].next = (uint16_t)(n + l);
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

/* A cost in 16 bits, as a float has it. */
static uint16_t pack_cost(uint64_t cost)
{
    unsigned exponent = 0;

    while (cost >> exponent >> COST_BITS)
        exponent++;
    return (uint16_t)(exponent << COST_BITS | cost >> exponent);
}

static uint64_t unpack_cost(uint16_t packed)
{
    return (uint64_t)(packed & ((1U << COST_BITS) - 1)) << (packed >> COST_BITS);
}

static uint64_t cost_of(const struct entry *e)
{
    return unpack_cost(e->cost);
}

static uint32_t hash_of(const struct entry *e)
{
    return (uint32_t)e->high << 16 | e->low;
}

static uint16_t *chain(struct trials *t, enum manner m, uint32_t hash)
{
    return &t->chains[((hash >> t->shift) + m * CHAINS_APART) & t->chains_mask];
}

/* The place of the number of that entry, or of the NONE at the end of its chain. */
static uint16_t *find(struct trials *t, enum manner m, uint32_t hash)
{
    uint16_t *at = chain(t, m, hash);

    while (*at != NONE && (hash_of(&t->entries[*at]) != hash || t->entries[*at].trial != m))
        at = &t->entries[*at].chain;
    return at;
}

/* --- the lists of a trial --- */

static uint64_t *bytes_of(struct trials *t, const struct entry *e)
{
    return &t->bytes[e->trial][e->list];
}

static void unlink_entry(struct trials *t, uint16_t i)
{
    const struct entry *e = &t->entries[i];

    t->entries[e->prev].next = e->next;
    t->entries[e->next].prev = e->prev;
}

static void push(struct trials *t, enum manner_list list, uint16_t i)
{
    struct entry *e = &t->entries[i];
    uint16_t h = head(t, (enum manner)e->trial, list);

    e->list = list & 3;
    e->prev = h;
    e->next = t->entries[h].next;
    t->entries[e->next].prev = i;
    t->entries[h].next = i;
}

static void move(struct trials *t, enum manner_list to, uint16_t i)
{
    struct entry *e = &t->entries[i];

    unlink_entry(t, i);
    *bytes_of(t, e) -= cost_of(e);
    push(t, to, i);
    *bytes_of(t, e) += cost_of(e);
}

/* The last of a list; NONE: it is empty. */
static uint16_t last(const struct trials *t, enum manner m, enum manner_list list)
{
    uint16_t i = t->entries[head(t, m, list)].prev;

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

/* A new entry in the window. There is room: no trial has more than its part of the entries. */
static void add(struct trials *t, enum manner m, const struct noted *u)
{
    uint16_t i = t->free, *at = chain(t, m, u->hash);
    struct entry *e;

    if (i != NONE)
        t->free = t->entries[i].chain;
    else
        i = t->unused++;
    e = &t->entries[i];
    *e = (struct entry){.low = (uint16_t)u->hash,
                        .high = (uint16_t)(u->hash >> 16),
                        .chain = *at,
                        .cost = u->cost,
                        .uses = u->uses,
                        .trial = m & 3};
    *at = i;
    push(t, LIST_WINDOW, i);
    *bytes_of(t, e) += cost_of(e);
    t->items[m]++;
}

static void drop(struct trials *t, uint16_t i)
{
    struct entry *e = &t->entries[i];
    uint16_t *at = find(t, (enum manner)e->trial, hash_of(e));

    unlink_entry(t, i);
    *bytes_of(t, e) -= cost_of(e);
    t->items[e->trial]--;
    *at = e->chain;
    e->chain = t->free;
    t->free = i;
}

/* --- a use --- */

/* As order.c does it with items. */
static void hit(struct trials *t, enum manner m, uint16_t i, uint64_t bytes)
{
    enum manner_list list = (enum manner_list)t->entries[i].list;
    uint64_t most;
    int steps;

    if (list <= manner_settled(m)) {
        unlink_entry(t, i);
        push(t, list, i);
        return;
    }
    move(t, m == MANNER_RECENT ? LIST_WINDOW : LIST_PROTECTED, i);
    most = manner_protected(m, bytes);
    for (steps = 0; steps < MANNER_STEPS && t->bytes[m][LIST_PROTECTED] > most; steps++)
        move(t, LIST_PROBATION, last(t, m, LIST_PROTECTED));
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
    move(t, LIST_PROBATION, oldest);
    return victim;
}

/* While the main part lacks items, the oldest of the window move there. */
static void settle(struct trials *t, enum manner m, uint64_t bytes)
{
    uint64_t window = manner_window(m, bytes);
    int steps;

    for (steps = 0; steps < MANNER_STEPS; steps++) {
        uint16_t oldest = last(t, m, LIST_WINDOW);

        if (oldest == NONE || t->bytes[m][LIST_WINDOW] < window + cost_of(&t->entries[oldest]))
            return;
        move(t, LIST_PROBATION, oldest);
    }
}

/* 1: there is room for another item of so many bytes. */
static int make_room(struct trials *t, enum manner m, uint64_t cost, uint64_t bytes)
{
    int steps;

    for (steps = 0; steps < MANNER_STEPS && (held(t, m) + cost > bytes || t->items[m] >= t->most);
         steps++) {
        uint16_t victim = choose(t, m, cost, bytes);

        if (victim == NONE)
            break;
        drop(t, victim);
    }
    return t->items[m] < t->most;
}

static void set_cost(struct trials *t, struct entry *e, uint16_t packed)
{
    *bytes_of(t, e) -= cost_of(e);
    e->cost = packed;
    *bytes_of(t, e) += cost_of(e);
}

/* 1: a hit. */
static int use(struct trials *t, enum manner m, const struct noted *u, uint64_t bytes)
{
    uint16_t i = *find(t, m, u->hash);
    struct entry *e = &t->entries[i];
    uint64_t cost;

    if (i == NONE) {
        cost = unpack_cost(u->cost);
        settle(t, m, bytes);
        if (make_room(t, m, cost, bytes))
            add(t, m, u);
        return 0;
    }
    e->uses = u->uses;
    if (e->cost != u->cost)
        set_cost(t, e, u->cost);
    hit(t, m, i, bytes);
    return 1;
}

/* --- the score --- */

static int32_t part_of(const struct trials *t, int percent)
{
    return BY_CHANCE + t->most * percent / 100;
}

/* What it takes to leave recent; no lead grows beyond. */
static int32_t most_lead(const struct trials *t)
{
    int32_t part = part_of(t, FROM_RECENT);

    return part > FROM_RECENT_LEAST ? part : FROM_RECENT_LEAST;
}

static int32_t least_lead(const struct trials *t, enum manner from, enum manner to)
{
    if (from == MANNER_RECENT)
        return most_lead(t);
    return part_of(t, to == MANNER_RECENT ? TO_RECENT : TO_OTHER);
}

static int32_t bounded(int32_t lead, int32_t most)
{
    return lead > most ? most : lead < -most ? -most : lead;
}

static void choose_best(struct trials *t)
{
    enum manner was = t->best, m;
    int32_t lead = 0;

    for (m = 0; m < MANNERS; m++) {
        if (t->lead[m][was] > lead && t->lead[m][was] >= least_lead(t, was, m)) {
            lead = t->lead[m][was];
            t->best = m;
        }
    }
}

/* Bit m of `hits`: it was a hit in that trial. */
static void score(struct trials *t, unsigned hits)
{
    unsigned a, b;
    int32_t most;

    if (!hits || hits == (1U << MANNERS) - 1)
        return;
    most = most_lead(t);
    for (a = 0; a < MANNERS; a++) {
        for (b = 0; b < MANNERS; b++)
            t->lead[a][b] =
                bounded(t->lead[a][b] + (int)(hits >> a & 1) - (int)(hits >> b & 1), most);
    }
    choose_best(t);
}

static void try_use(struct trials *t, const struct noted *u, uint64_t bytes)
{
    unsigned hits = 0;
    enum manner m;

    if (unpack_cost(u->cost) > bytes / ADMIT_SHARE)
        return; /* larger than a trial can have */
    for (m = 0; m < MANNERS; m++)
        hits |= (unsigned)use(t, m, u, bytes) << m;
    score(t, hits);
}

int trials_note(struct trials *t, uint32_t hash, uint8_t uses, uint64_t cost)
{
    if (t->nnoted < NOTES)
        t->noted[t->nnoted++] = (struct noted){.hash = hash, .cost = pack_cost(cost), .uses = uses};
    return t->nnoted < NOTES;
}

void trials_catch_up(struct trials *t, unsigned age, uint64_t cache_bytes)
{
    unsigned i;

    t->age = age;
    for (i = 0; i < t->nnoted; i++)
        try_use(t, &t->noted[i], cache_bytes >> t->shift);
    t->nnoted = 0;
}

void trials_forget(struct trials *t, uint32_t hash)
{
    enum manner m;

    for (m = 0; m < MANNERS; m++) {
        uint16_t i = *find(t, m, hash);

        if (i != NONE)
            drop(t, i);
    }
}
