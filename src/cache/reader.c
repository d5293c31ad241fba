/* SPDX-License-Identifier: MIT */
#include "cache/reader.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/mem.h"
#include "cache/after.h"
#include "cache/group_in.h"
#include "cache/reader_hits.h"

enum {
    WAYS = 8,         /* slots that a key may have */
    FIRST_SLOTS = 32, /* most readers ask for few keys; a power of two, like the next */
    LINE = 64,        /* bytes of a line of the processor's cache */
    NO_SLOT = -1,
    SWEEP = 8,           /* slots that the hand passes for a ring of hits */
    TRY = 8,             /* of items for which there is no room, one in so many moves the hand */
    SPARSE = 16,         /* if one slot in so many is used, all are emptied, and there are fewer, */
    SPARSE_SLOTS = 1024, /* unless there are few anyway */
    MOST_PLACES = 1 << 30, /* a slot has 30 bits for one */
    UNIT = 8,              /* bytes: allocators place a string at a multiple of it */
    COPY_BYTES = 96 /* what the copies of a key and a value cost beside their bytes: two strings of
                       Lua, each with a place in a table */
};

/* The thread's. An item is exchanged under the group's mutex. Two fit into a line. */
struct reader_slot {
    const void *key;   /* the address of the key at the last get; another key may lie there now */
    struct item *item; /* a reference, or NULL */
    uint64_t known;    /* group.removed when the item was known to be in main; 0: it was not */
    unsigned place : 30;
    unsigned used : 1; /* since the hand passed */
    unsigned held : 1; /* reader_hold() */
    int32_t copy;      /* of the value, in units behind `key`; 0: unknown */
};

_Static_assert(LINE % sizeof(struct reader_slot) == 0, "no slot lies in two lines");

/* What was taken out of slots under the mutex, to be released after it. */
struct dropped {
    struct item *items[SWEEP + 2];
    unsigned n;
};

static void release(struct dropped *d)
{
    while (d->n)
        item_unref(d->items[--d->n]);
}

/* --- life --- */

static size_t room_for(unsigned n)
{
    return n * sizeof(struct reader_slot) + LINE;
}

/* Takes the memory of slots, room_for() bytes. */
static void make_slots(struct reader *r, unsigned n, char *memory)
{
    r->slots_memory = memory;
    r->slots = (void *)(memory + (LINE - (uintptr_t)memory % LINE) % LINE);
    r->mask = n - 1;
    r->shift = 64 - (unsigned)__builtin_ctz(n);
    r->hand = 0;
    mem_use_large_pages(memory, room_for(n));
    memset(r->slots, 0, n * sizeof(struct reader_slot));
}

/* What readers of the group remember at most, each. */
static size_t bound_locked(const struct group *g)
{
    uint64_t all = g->opts.remember_bytes;

    if (all == UINT64_MAX) {
        all = g->opts.cache_bytes / READER_SHARE;
        all = all > READER_LEAST_BYTES ? all : READER_LEAST_BYTES;
    }
    return all / g->nreaders;
}

struct reader *reader_new(struct group *g, int copies)
{
    struct reader *r = mem_zalloc(sizeof(*r));

    r->group = group_ref(g);
    r->copies = copies;
    make_slots(r, FIRST_SLOTS, mem_zalloc(room_for(FIRST_SLOTS)));
    pthread_mutex_lock(&g->mu);
    list_push_back(&g->readers, &r->link);
    g->nreaders++;
    pthread_mutex_unlock(&g->mu);
    return r;
}

struct group *reader_group(const struct reader *r)
{
    return r->group;
}

unsigned reader_age(const struct reader *r)
{
    return r->age;
}

unsigned reader_left(const struct reader *r)
{
    return r->uncleared;
}

int reader_take_left(struct reader *r)
{
    return r->uncleared ? r->left[r->nleft - r->uncleared--] : READER_NOWHERE;
}

/* --- slots --- */

static size_t cost_of(const struct reader *r, const struct item *it)
{
    size_t copies = r->copies ? (size_t)it->key_len + it->value_len + COPY_BYTES : 0;

    return item_cost(it) + 2 * sizeof(struct reader_slot) + copies;
}

static void leave_place(struct reader *r, int place)
{
    r->left[r->nleft++] = place;
    r->uncleared++;
}

/* Gives a slot a place. 0: no memory. */
static int take_place(struct reader *r, struct reader_slot *s)
{
    if (r->nleft) {
        s->place = (unsigned)r->left[--r->nleft] & (MOST_PLACES - 1);
        r->uncleared -= r->uncleared ? 1 : 0;
        return 1;
    }
    if (r->places == MOST_PLACES)
        return 0;
    if (r->places == r->left_room) {
        unsigned room = r->left_room ? 2 * r->left_room : FIRST_SLOTS;
        int *left = mem_realloc(r->left, room * sizeof(*left));

        if (!left)
            return 0;
        r->left = left;
        r->left_room = room;
    }
    s->place = r->places++ & (MOST_PLACES - 1);
    return 1;
}

/* Empties a slot that has an item. The ring is empty. */
static void drop_locked(struct reader *r, struct reader_slot *s, struct dropped *d)
{
    size_t cost = cost_of(r, s->item);

    r->group->stats.remembered_items--;
    r->group->stats.remembered_bytes -= cost;
    r->bytes -= cost;
    r->nitems--;
    leave_place(r, (int)s->place);
    d->items[d->n++] = s->item;
    s->item = NULL;
    s->held = 0;
}

/* Puts an item into an empty slot, or not, if there is no memory. */
static void fill_locked(struct reader *r, struct reader_slot *s, struct item *it)
{
    size_t cost = cost_of(r, it);

    if (!take_place(r, s))
        return;
    r->group->stats.remembered_items++;
    r->group->stats.remembered_bytes += cost;
    r->bytes += cost;
    r->nitems++;
    s->item = item_ref(it);
    s->used = 1;
}

/* Moves the hand. Slots are emptied that were not used, or any, if there is too much in them; but
 * not slot `but`. */
static void sweep_locked(struct reader *r, unsigned but, struct dropped *d)
{
    unsigned i;

    for (i = 0; i < SWEEP; i++) {
        unsigned at = r->hand++ & r->mask;
        struct reader_slot *s = &r->slots[at];

        if (s->item && at != but && (!s->used || r->bytes > r->most))
            drop_locked(r, s, d);
        s->used = 0;
    }
}

static void empty(struct reader *r)
{
    unsigned at = 0;

    r->last = NULL;
    while (at <= r->mask) {
        struct dropped d = {.n = 0};

        pthread_mutex_lock(&r->group->mu);
        reader_hits_count_one_locked(r);
        for (; d.n < SWEEP && at <= r->mask; at++) {
            if (r->slots[at].item)
                drop_locked(r, &r->slots[at], &d);
        }
        pthread_mutex_unlock(&r->group->mu);
        release(&d);
    }
    mem_free(r->slots_memory);
    mem_free(r->left);
    r->left = NULL;
    r->nleft = r->uncleared = r->places = r->left_room = 0;
}

void reader_forget_all(struct reader *r)
{
    empty(r);
    make_slots(r, FIRST_SLOTS, mem_zalloc(room_for(FIRST_SLOTS)));
    r->age++;
}

void reader_free(struct reader *r)
{
    struct group *g;

    if (!r)
        return;
    g = r->group;
    empty(r);
    item_unref(r->passing);
    pthread_mutex_lock(&g->mu);
    list_del(&r->link);
    g->nreaders--;
    pthread_mutex_unlock(&g->mu);
    mem_free(r);
    group_unref(g);
}

/* The place of the first way of a key. Addresses lie in rows of several distances, which one
 * product alone maps to slots side by side. */
static unsigned home(const struct reader *r, const void *key)
{
    const uint64_t odd = UINT64_C(0x9e3779b97f4a7c15); /* Knuth, 6.4 */
    uint64_t h = (uintptr_t)key * odd;

    return (unsigned)((h ^ h >> 32) * odd >> r->shift);
}

static struct reader_slot *way(const struct reader *r, unsigned home, unsigned i)
{
    return &r->slots[(home + i) & r->mask];
}

static struct reader_slot *find_slot(const struct reader *r, const void *key, size_t key_len)
{
    unsigned at = home(r, key), i;

    for (i = 0; i < WAYS; i++) {
        struct reader_slot *s = way(r, at, i);

        if (s->key == key && s->item && item_has_key(s->item, key, key_len))
            return s;
    }
    return NULL;
}

static struct reader_slot *free_way(const struct reader *r, const void *key)
{
    unsigned at = home(r, key), i;

    for (i = 0; i < WAYS; i++) {
        struct reader_slot *s = way(r, at, i);

        if (!s->item)
            return s;
    }
    return NULL;
}

static void drop(struct reader *r, struct reader_slot *s)
{
    struct dropped d = {.n = 0};

    pthread_mutex_lock(&r->group->mu);
    reader_hits_count_one_locked(r);
    drop_locked(r, s, &d);
    pthread_mutex_unlock(&r->group->mu);
    release(&d);
}

/* Twice as many slots. The ring knows items, not slots, so that items move without the mutex. Of
 * these the few are dropped that find no way free. 0: no memory. */
static int grow(struct reader *r)
{
    struct reader_slot *old = r->slots;
    void *was = r->slots_memory;
    unsigned n = r->mask + 1, i;
    char *memory = mem_alloc(room_for(2 * n));

    if (!memory)
        return 0;
    make_slots(r, 2 * n, memory);
    for (i = 0; i < n; i++) {
        struct reader_slot *s = old[i].item ? free_way(r, old[i].key) : NULL;

        if (s)
            *s = old[i];
        else if (old[i].item)
            drop(r, &old[i]);
    }
    mem_free(was);
    return 1;
}

static int may_grow(const struct reader *r)
{
    return r->nitems > r->mask / 4 && r->bytes < r->most;
}

/* A slot for a new key, maybe with the item of another one. */
static struct reader_slot *spare_slot(struct reader *r, const void *key)
{
    struct reader_slot *s = free_way(r, key);

    if (!s && may_grow(r) && grow(r))
        s = free_way(r, key);
    return s ? s : way(r, home(r, key), r->victim++ % WAYS);
}

/* Whether an item may be remembered. With more keys than there is room for, an item is rarely worth
 * the one that it replaces, so the hand moves for few of them. */
static int has_room_locked(struct reader *r, const struct item *it, struct dropped *d)
{
    size_t cost = cost_of(r, it);

    if (cost > r->most / READER_LARGE)
        return 0;
    if (r->bytes + cost > r->most && ++r->refused % TRY == 0)
        sweep_locked(r, (unsigned)NO_SLOT, d);
    return r->bytes + cost <= r->most;
}

/* --- gets --- */

/* The ring is full, or the next hit, which is that slot's, is of another epoch. */
static void turn(struct reader *r, const struct reader_slot *next, uint64_t epoch)
{
    struct dropped d = {.n = 0};

    pthread_mutex_lock(&r->group->mu);
    reader_hits_count_one_locked(r);
    r->epoch = epoch;
    r->most = bound_locked(r->group);
    sweep_locked(r, (unsigned)(next - r->slots), &d);
    pthread_mutex_unlock(&r->group->mu);
    release(&d);
}

static int is_sparse(const struct reader *r)
{
    return r->mask >= SPARSE_SLOTS && r->nitems < r->mask / SPARSE;
}

/* Puts what was found into a slot, if that is possible: `known`, which had the key's last item, or
 * `spare`. Returns the slot, or NULL. */
static struct reader_slot *remember_locked(struct reader *r, struct reader_slot *known,
                                           struct reader_slot *spare, struct item *it,
                                           struct dropped *d)
{
    struct reader_slot *s = known ? known : spare;

    if (known)
        drop_locked(r, known, d);
    if (!it || !s || !has_room_locked(r, it, d))
        return NULL;
    if (s->item)
        drop_locked(r, s, d);
    fill_locked(r, s, it);
    return s->item ? s : NULL;
}

static enum hit look_up(struct reader *r, struct reader_slot *known, const struct key_ref *k,
                        struct recalled *out)
{
    struct reader_slot *s, *spare = known ? NULL : spare_slot(r, k->bytes);
    struct group *g = r->group;
    struct dropped d = {.n = 0};
    struct item *it, *passed = r->passing;
    struct after a;
    enum source source;
    int same;

    after_init(&a);
    pthread_mutex_lock(&g->mu);
    reader_hits_count_one_locked(r);
    r->most = bound_locked(g);
    it = group_look_locked(g, k, &source, &a);
    same = it && known && known->item == it;
    s = same ? known : remember_locked(r, known, spare, it, &d);
    r->last = s;
    if (s) {
        s->key = k->bytes;
        s->used = 1;
        s->known = source == SOURCE_MAIN && !it->tagged && !group_is_closed(g)
                       ? atomic_load_explicit(&g->removed, memory_order_relaxed)
                       : 0;
    }
    r->passing = it && !s ? item_ref(it) : NULL;
    pthread_mutex_unlock(&g->mu);
    item_unref(passed);
    release(&d);
    if (a.dropped)
        after_run(g, &a);
    if (a.ahead)
        group_load_ahead(g, k);
    if (!it)
        return HIT_NONE;
    *out = (struct recalled){it, source, s ? (int)s->place : READER_NOWHERE};
    return same ? HIT_SAME : HIT_OTHER;
}

static int is_due(const struct reader *r, const struct item *it)
{
    return it->mortal &&
           item_expires_ms(it) <=
               clock_ms() + atomic_load_explicit(&r->group->ahead_ms, memory_order_relaxed);
}

/* Whether the slot's item is the value of its key. *epoch: the group's, if it is. */
static int is_current(struct reader *r, struct reader_slot *s, uint64_t *epoch)
{
    uint64_t removed = atomic_load_explicit(&r->group->removed, memory_order_acquire);

    *epoch = atomic_load_explicit(&r->group->epoch, memory_order_relaxed);
    if (s->known < *epoch || is_due(r, s->item) || (s->known != removed && !item_is_in(s->item)))
        return 0;
    s->known = r->removed = removed;
    return 1;
}

/* Most slots are empty, since the thread asks for fewer keys than once. */
static enum hit begin_anew(struct reader *r, const void *key, size_t key_len, struct recalled *out)
{
    struct key_ref k = group_key(key, key_len);

    reader_forget_all(r);
    return look_up(r, NULL, &k, out);
}

static int is_full(const struct reader *r)
{
    return atomic_load_explicit(&r->noted, memory_order_relaxed) -
               atomic_load_explicit(&r->counted, memory_order_acquire) ==
           READER_RING;
}

static void note(struct reader *r, struct item *it)
{
    uint32_t noted = atomic_load_explicit(&r->noted, memory_order_relaxed);

    r->ring[noted % READER_RING] = it;
    atomic_store_explicit(&r->noted, noted + 1, memory_order_release);
}

enum hit reader_recall(struct reader *r, const void *key, size_t key_len, struct recalled *out)
{
    struct reader_slot *s = find_slot(r, key, key_len);
    struct key_ref k;
    uint64_t epoch;

    if (!s || !is_current(r, s, &epoch)) {
        k = s ? (struct key_ref){key, key_len, s->item->hash} : group_key(key, key_len);
        return look_up(r, s, &k, out);
    }
    s->used = 1;
    if (is_full(r) || epoch != r->epoch) {
        turn(r, s, epoch);
        if (is_sparse(r))
            return begin_anew(r, key, key_len, out);
    }
    note(r, s->item);
    r->last = s;
    *out = (struct recalled){s->item, SOURCE_MAIN, (int)s->place};
    return HIT_SAME;
}

int reader_recall_held(struct reader *r, const void *key)
{
    uint64_t removed = atomic_load_explicit(&r->group->removed, memory_order_acquire);
    unsigned at = home(r, key), i;

    if (removed != r->removed || is_full(r))
        return READER_NOWHERE;
    for (i = 0; i < WAYS; i++) {
        struct reader_slot *s = way(r, at, i);

        if (s->key != key || !s->held || s->known != removed)
            continue;
        __builtin_prefetch((const char *)key + (ptrdiff_t)s->copy * UNIT);
        s->used = 1;
        note(r, s->item);
        return (int)s->place;
    }
    return READER_NOWHERE;
}

void reader_hold(struct reader *r, const void *copy)
{
    struct reader_slot *s = r->last;
    int64_t units;

    if (!s)
        return;
    units = ((int64_t)(uintptr_t)copy - (int64_t)(uintptr_t)s->key) / UNIT;
    s->copy = units == (int32_t)units ? (int32_t)units : 0;
    s->held = s->known && !s->item->mortal;
}

void reader_hold_none(struct reader *r)
{
    unsigned i;

    for (i = 0; i <= r->mask; i++)
        r->slots[i].held = 0;
}

void reader_let_go(struct reader *r)
{
    item_unref(r->passing);
    r->passing = NULL;
}
