/* SPDX-License-Identifier: MIT */
#include "cache/order.h"

#include <stdatomic.h>

#include "cache/trials.h"

enum {
    AGE = 10,        /* gets, by items, after which counts of uses are halved: TinyLFU's sample */
    PLAN_MORE = 2,   /* times as many items as planned, or */
    PLAN_LESS = 4,   /* this part of them: ghosts and trials are made anew */
    AGES_RECENT = 2, /* with recent, until there are ghosts of the sample alone */
    EARLY = 4,       /* a cache that is full to this part has its trials begun, */
    TINY = 32,       /* but not with fewer items than these: they tell too little */
    PAUSE = 8192,    /* gets in which the trials have few hits, if there is no put among them */
    UNSAMPLED = -1   /* no key is in the trials */
};

static struct item *item_at(struct list *l)
{
    return list_entry(l, struct item, order);
}

static struct item *last(const struct order *o, enum manner_list list)
{
    return list_empty(&o->lists[list]) ? NULL : item_at(o->lists[list].prev);
}

static uint64_t all_bytes(const struct order *o)
{
    return o->bytes[LIST_WINDOW] + o->bytes[LIST_PROBATION] + o->bytes[LIST_PROTECTED];
}

/* --- life --- */

static void set_manner(struct order *o, enum manner m)
{
    o->manner = m;
    o->settled = o->eviction == EVICT_SIEVE ? -1 : (int8_t)manner_settled(m);
}

static void set_age(struct order *o, unsigned age)
{
    o->age = age % USES_AGES;
    o->most_uses = uses_of(USES_MAX, o->age);
}

void order_init(struct order *o)
{
    unsigned l;

    *o = (struct order){
        .unsampled = (uint32_t)UNSAMPLED, .unnoted = (uint32_t)UNSAMPLED, .opens = UINT64_MAX};
    set_manner(o, MANNER_RECENT);
    for (l = 0; l < MANNER_LISTS; l++)
        list_init(&o->lists[l]);
    o->hand = &o->lists[LIST_WINDOW];
}

static void weigh(struct order *o)
{
    size_t bytes = ghosts_bytes(&o->ghosts) + trials_bytes(o->trials);

    o->own_bytes = bytes > TRIALS_FIXED ? bytes - TRIALS_FIXED : 0;
}

static void forget_trials(struct order *o)
{
    trials_free(o->trials);
    o->trials = NULL;
    weigh(o);
    o->unsampled = o->unnoted = (uint32_t)UNSAMPLED;
    o->opens = UINT64_MAX;
    o->planned = 0;
}

/* With recent only the trials look at uses. So there are ghosts of the sample's keys alone. */
static int has_ghost(const struct order *o, uint32_t hash)
{
    return o->remembers_all || !(hash & o->unsampled);
}

static void fit_ghosts(struct order *o, int all)
{
    size_t sampled = o->planned / ((size_t)o->unsampled + 1);

    o->remembers_all = all;
    if (o->trials)
        ghosts_fit(&o->ghosts, all ? o->planned : sampled);
    else
        ghosts_deinit(&o->ghosts);
    weigh(o);
}

void order_deinit(struct order *o)
{
    ghosts_deinit(&o->ghosts);
    forget_trials(o);
    o->remembers_all = 0;
}

void order_set_eviction(struct order *o, enum eviction e)
{
    if (e == o->eviction)
        return;
    order_deinit(o);
    o->eviction = e;
    set_manner(o, MANNER_RECENT);
    o->full = 0;
    o->most_uses = 0;
    if (e == EVICT_ADAPTIVE)
        set_age(o, o->age);
    o->hand = &o->lists[LIST_WINDOW];
}

void order_set_room(struct order *o, uint64_t bytes)
{
    o->room = bytes;
}

void order_clear(struct order *o, struct order *spare, struct list *out)
{
    unsigned l;

    for (l = 0; l < MANNER_LISTS; l++) {
        list_splice_back(out, &o->lists[l]);
        o->bytes[l] = 0;
    }
    o->hand = &o->lists[LIST_WINDOW];
    spare->trials = o->trials;
    o->trials = NULL;
    forget_trials(o);
}

/* --- lists --- */

static void take(struct order *o, struct item *it, size_t cost)
{
    if (o->hand == &it->order)
        o->hand = it->order.prev;
    list_del(&it->order);
    o->bytes[item_list(it)] -= cost;
}

static void put(struct order *o, enum manner_list list, struct item *it, size_t cost)
{
    list_push_front(&o->lists[list], &it->order);
    o->bytes[list] += cost;
    item_set_list(it, list);
}

static void move(struct order *o, enum manner_list to, struct item *it)
{
    size_t cost = item_cost(it);

    take(o, it, cost);
    put(o, to, it, cost);
}

/* The trials have all uses until now. */
static void catch_up(struct order *o)
{
    if (!o->trials)
        return;
    trials_catch_up(o->trials, o->age, o->full);
    set_manner(o, trials_best(o->trials));
}

void order_open(struct order *o, uint64_t gets)
{
    o->unnoted = o->unsampled;
    o->opened = gets;
    o->opens = UINT64_MAX;
}

/* The trials had so many uses since order_open() that hits would cost too much, if there were more
 * of them at once. */
static void pause_notes(struct order *o)
{
    o->unnoted = (uint32_t)UNSAMPLED;
    o->opens = o->opened + PAUSE;
}

/* If the item is in the sample, its use is noted for the trials. */
static void note_use(struct order *o, const struct item *it, uint64_t gets)
{
    if (it->hash & o->unnoted || !o->trials)
        return;
    if (trials_note(o->trials, it->hash, it->uses, item_cost(it)))
        return;
    catch_up(o);
    if (gets < o->opened + PAUSE)
        pause_notes(o);
    else
        order_open(o, gets);
}

void order_count(struct order *o, struct item *it, uint64_t gets)
{
    if (o->eviction != EVICT_ADAPTIVE)
        return;
    uses_add(&it->uses, o->age);
    note_use(o, it, gets);
}

static void mark_visited(struct item *it)
{
    if (!(item_state(it) & ITEM_VISITED))
        item_set_place(it, ITEM_IN | ITEM_VISITED);
}

static void protect(struct order *o, struct item *it)
{
    uint64_t most = manner_protected(o->manner, all_bytes(o));
    int steps;

    move(o, LIST_PROTECTED, it);
    for (steps = 0; steps < MANNER_STEPS && o->bytes[LIST_PROTECTED] > most; steps++)
        move(o, LIST_PROBATION, last(o, LIST_PROTECTED));
}

void order_move(struct order *o, struct item *it, uint64_t gets)
{
    if (o->eviction == EVICT_SIEVE) {
        mark_visited(it);
        return;
    }
    if (o->manner == MANNER_RECENT)
        move(o, LIST_WINDOW, it);
    else
        protect(o, it);
    order_count(o, it, gets);
}

/* Once in a while; the gets of a cache with more items than gets do not age it. */
static void grow_older(struct order *o, uint64_t gets, size_t items)
{
    set_age(o, o->age + 1U);
    o->age_ends = gets + AGE * (uint64_t)items;
    if (items > o->planned * PLAN_MORE || items < o->planned / PLAN_LESS || !o->trials)
        o->planned = 0;
    o->recent_ages = o->manner == MANNER_RECENT ? o->recent_ages + 1 : 0;
    if (o->remembers_all && o->recent_ages >= AGES_RECENT)
        fit_ghosts(o, 0);
}

/* Trials for a cache that has so many items of so many bytes when it is full. The first ones begin
 * with lenient, which is seldom far from the best. */
static void plan(struct order *o, size_t items, uint64_t full)
{
    forget_trials(o);
    if (!o->full && items >= TINY)
        set_manner(o, MANNER_LENIENT);
    o->full = full;
    o->planned = items;
    o->trials = trials_new(items, full, o->manner);
    o->unsampled = o->trials ? trials_mask(o->trials) : (uint32_t)UNSAMPLED;
    o->unnoted = o->unsampled;
    fit_ghosts(o, o->remembers_all);
}

/* Before anything is evicted: trials that begin empty beside a full cache would not show what it
 * keeps too long. */
static void plan_early(struct order *o, size_t items)
{
    uint64_t bytes = all_bytes(o);
    size_t most;

    if (o->planned || !bytes || bytes < o->room / EARLY || bytes >= o->room)
        return;
    most = (size_t)((double)items * (double)o->room / (double)bytes);
    if (most >= TINY)
        plan(o, most, o->room);
}

static unsigned uses_before(const struct order *o, uint32_t hash)
{
    return has_ghost(o, hash) ? ghosts_uses(&o->ghosts, hash) : 0;
}

void order_put(struct order *o, struct item *it, size_t cost, uint64_t gets, size_t items)
{
    if (o->eviction == EVICT_ADAPTIVE) {
        if (gets >= o->age_ends)
            grow_older(o, gets, items);
        plan_early(o, items);
        catch_up(o);
        order_open(o, gets);
        it->uses = uses_of(uses_before(o, it->hash) + 1, o->age);
        note_use(o, it, gets);
    }
    put(o, LIST_WINDOW, it, cost);
}

void order_forget(struct order *o, const struct item *it)
{
    if (!o->trials || it->hash & o->unsampled)
        return;
    catch_up(o);
    trials_forget(o->trials, it->hash);
}

void order_take(struct order *o, struct item *it, size_t cost)
{
    take(o, it, cost);
    if (o->eviction == EVICT_ADAPTIVE && has_ghost(o, it->hash))
        ghosts_note(&o->ghosts, it->hash, uses_count(&it->uses, o->age));
}

/* --- the next victim --- */

/* If every item was asked for, the hand returns to where it began, and evicts that item. */
static struct item *next_sieved(struct order *o)
{
    struct list *at = o->hand;

    for (;;) {
        struct item *it;

        if (at == &o->lists[LIST_WINDOW])
            at = at->prev;
        it = item_at(at);
        if (!(item_state(it) & ITEM_VISITED)) {
            o->hand = at;
            return it;
        }
        item_set_place(it, ITEM_IN);
        at = at->prev;
    }
}

/* The next victim of the main part. With SIEVE or LRU there are such items after another eviction
 * only; they were all used before those in the window. */
static struct item *victim_of_main(const struct order *o)
{
    struct item *it = last(o, LIST_PROBATION);

    return it ? it : last(o, LIST_PROTECTED);
}

/* The count at this age; the item stays as it is. */
static unsigned count(const struct order *o, const struct item *it)
{
    uint8_t uses = it->uses;

    return uses_count(&uses, o->age);
}

/* The next victim. *admitted: the item that is in the main part then, or NULL. */
static struct item *choose(const struct order *o, uint64_t incoming, struct item **admitted)
{
    struct item *oldest = last(o, LIST_WINDOW), *victim = victim_of_main(o);

    *admitted = NULL;
    if (!victim)
        return oldest;
    if (!oldest || o->manner == MANNER_RECENT ||
        o->bytes[LIST_WINDOW] + incoming <= manner_window(o->manner, all_bytes(o)))
        return victim;
    if (!manner_admits(o->manner, count(o, oldest), count(o, victim)))
        return oldest;
    *admitted = oldest;
    return victim;
}

const struct item *order_next(const struct order *o, uint64_t incoming)
{
    struct item *admitted;

    return choose(o, incoming, &admitted);
}

/* While the main part lacks items, the oldest of the window move there: after a change of the
 * manner, or when items were removed. */
static void settle(struct order *o)
{
    uint64_t window = manner_window(o->manner, all_bytes(o));
    struct item *oldest;
    int steps;

    for (steps = 0; steps < MANNER_STEPS && (oldest = last(o, LIST_WINDOW)); steps++) {
        if (o->bytes[LIST_WINDOW] < window + item_cost(oldest))
            return;
        move(o, LIST_PROBATION, oldest);
    }
}

/* --- the newest --- */

enum visits { ALL, VISITED, NOT_VISITED };

static size_t newest_of(const struct order *o, enum manner_list list, enum visits which, size_t n,
                        struct item **out)
{
    const struct list *at;
    size_t found = 0;

    for (at = o->lists[list].next; at != &o->lists[list] && found < n; at = at->next) {
        struct item *it = list_entry((size_t)at, struct item, order);

        if (which == ALL || (which == VISITED) == !!(item_state(it) & ITEM_VISITED))
            out[found++] = item_ref(it);
    }
    return found;
}

/* SIEVE does not move an item that is used, so those that were used since the hand passed them are
 * taken first. */
size_t order_newest(const struct order *o, size_t n, struct item **out)
{
    size_t found = newest_of(o, LIST_PROTECTED, ALL, n, out);

    if (o->eviction == EVICT_SIEVE) {
        found += newest_of(o, LIST_WINDOW, VISITED, n - found, out + found);
        found += newest_of(o, LIST_WINDOW, NOT_VISITED, n - found, out + found);
    } else {
        found += newest_of(o, LIST_WINDOW, ALL, n - found, out + found);
    }
    return found + newest_of(o, LIST_PROBATION, ALL, n - found, out + found);
}

struct item *order_evict(struct order *o, uint64_t incoming, size_t items)
{
    struct item *it, *admitted;

    if (o->eviction == EVICT_SIEVE && !victim_of_main(o))
        return list_empty(&o->lists[LIST_WINDOW]) ? NULL : next_sieved(o);
    if (o->eviction == EVICT_ADAPTIVE) {
        uint64_t full = all_bytes(o);

        if (!o->planned && items)
            plan(o, items, full);
        o->full = full;
        if (o->manner != MANNER_RECENT && !o->remembers_all)
            fit_ghosts(o, 1);
        settle(o);
    }
    it = choose(o, incoming, &admitted);
    if (admitted)
        move(o, LIST_PROBATION, admitted);
    return it;
}
