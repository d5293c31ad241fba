/* SPDX-License-Identifier: MIT */
/* engine.c - histories of a group (cache/) against a plain model: what each get is answered, which
 * loads are begun, each counter, and the bytes.
 *
 * An input is options, then steps: a byte says which, the bytes behind it with what. The clock is
 * that of spec/virtual/, so a step takes no time. The model says of each key what main and hot
 * hold, and in which order they are used. It does not know what the index of a cache costs. So it
 * takes the group's word for the number of evictions, and says which items these must be. */
#include "base/clock.h"
#include "base/list.h"
#include "cache/group.h"
#include "fuzz.h"

enum { KEYS = 6, TICKETS = 64, LOADS = 64, STEPS = 400, MAX_LOADS = 3, TIMEOUT_MS = 1000 };

/* A get that waits, or waited. */
struct ticket {
    struct waiter waiter;
    int used, wakes, key;
    int load; /* of the flight that it joined by the model */
};

/* What the model holds of a key in one of the two caches. */
struct entry {
    int there, negative;
    unsigned serial; /* of the value */
    size_t len;
    uint64_t expires_ms, used; /* the number of the step */
};

/* A flight: in the order in which they are opened. */
struct load {
    struct flight *flight; /* NULL before it is given to the loader, and once we gave it back */
    int key, kind, open, outdated;
    int given;   /* to a loader */
    int fell_to; /* the local flight that it waits for, or -1 */
    int fell_back;
    uint64_t deadline_ms;
};

static struct group *g;
static struct ticket tickets[TICKETS];
static struct load loads[LOADS];
static struct entry cache[2][KEYS]; /* main, hot */
static int n_loads;
static uint64_t step;
static int lost_track; /* 1: the model cannot know what the group has kept */
static unsigned serial;
static struct group_opts opts;
static uint64_t negative_ttl_ms, want_evictions;

static struct {
    uint64_t gets, cache_hits, loads, loads_deduped, local_loads, local_load_errs, peer_loads,
        peer_errors, server_requests, sets, removes, flushes, negative_hits;
} want;

static const struct {
    const char *bytes;
    size_t n;
} keys[KEYS] = {{"", 0}, {"a", 1}, {"b\0b", 3}, {"remote", 6}, {"remote two", 10}, {"z", 1}};

static struct key_ref key_of(int i)
{
    return group_key(keys[i].bytes, keys[i].n);
}

static int key_index(const char *bytes, size_t n)
{
    int i = 0;

    while (keys[i].n != n || memcmp(keys[i].bytes, bytes, n) != 0)
        i++;
    return i;
}

static int is_remote(const char *bytes, size_t n)
{
    return n > 5 && !memcmp(bytes, "remote", 6);
}

/* Value `s` of a length: all its bytes follow from s. */
static void fill(char *out, size_t n, unsigned s)
{
    size_t i;

    for (i = 0; i < n; i++)
        out[i] = (char)(s + i * 7);
}

/* --- the loader --- */

static struct peer *owner(void *ctx, const void *key, size_t n)
{
    (void)ctx;
    return is_remote(key, n) ? (struct peer *)&g : NULL; /* it is only passed on */
}

static void disown(void *ctx, struct peer *p)
{
    (void)ctx;
    (void)p;
}

/* The load of the model that is given to a loader now. */
static struct load *handed(struct flight *f, int kind)
{
    int key = key_index(f->key, f->key_len), i;

    for (i = 0; i < n_loads; i++)
        if (loads[i].key == key && loads[i].kind == kind && loads[i].open && !loads[i].given)
            break;
    HOLDS(i < n_loads); /* else nobody asked for it */
    loads[i].flight = f;
    loads[i].given = 1;
    return &loads[i];
}

static struct {
    struct flight *flight;
    int kind;
} early[LOADS]; /* given to a loader before the model knows of them */
static int n_early, may_hand;

static void take(struct flight *f, int kind)
{
    if (may_hand) {
        handed(f, kind);
        return;
    }
    HOLDS(n_early < LOADS);
    early[n_early].flight = f;
    early[n_early++].kind = kind;
}

static void take_early(void)
{
    int i;

    for (i = 0; i < n_early; i++)
        handed(early[i].flight, early[i].kind);
    n_early = 0;
}

static void remote(void *ctx, struct flight *f, struct peer *p)
{
    (void)ctx;
    (void)p;
    take(f, FLIGHT_REMOTE);
}

static void local(void *ctx, struct flight *f)
{
    (void)ctx;
    take(f, FLIGHT_LOCAL);
}

/* --- the end of gets --- */

struct expected {
    struct entry value; /* there: this value */
    enum err code;
};

static struct expected now_ending[LOADS]; /* by load */

static void is_expected(const struct result *r, const struct expected *x)
{
    if (!x->value.there) {
        HOLDS(!r->item && r->err.code == x->code);
        return;
    }
    HOLDS(r->item && r->item->value_len == x->value.len);
    if (x->value.len) {
        char *same = malloc(x->value.len);

        fill(same, x->value.len, x->value.serial);
        HOLDS(!memcmp(item_value(r->item), same, x->value.len));
        free(same);
    }
}

static void wake(struct waiter *w, const struct result *r)
{
    struct ticket *t = list_entry(w, struct ticket, waiter);

    HOLDS(t->used && !t->wakes); /* once, and not after its get was given up */
    t->wakes++;
    is_expected(r, &now_ending[t->load]);
}

/* --- the model --- */

static int running(void)
{
    int i, n = 0;

    for (i = 0; i < n_loads; i++)
        n += loads[i].open && loads[i].kind == FLIGHT_LOCAL && loads[i].given;
    return n;
}

static int find_load(int key, int kind)
{
    int i;

    for (i = n_loads - 1; i >= 0; i--)
        if (loads[i].open && loads[i].key == key && loads[i].kind == kind && !loads[i].outdated)
            return i;
    return -1;
}

static int open_load(int key, int kind)
{
    HOLDS(n_loads < LOADS);
    loads[n_loads] = (struct load){
        .key = key, .kind = kind, .open = 1, .fell_to = -1, .deadline_ms = clock_ms() + TIMEOUT_MS};
    return n_loads++;
}

static int is_live(const struct entry *e)
{
    return e->there && (!e->expires_ms || e->expires_ms > clock_ms());
}

/* What a get finds, or NULL. */
static struct entry *find(int key)
{
    int c;

    for (c = 0; c < 2; c++)
        if (is_live(&cache[c][key]))
            return &cache[c][key];
    return NULL;
}

/* The items of an eviction are the least recently used ones of their cache. */
static void note_evictions(void)
{
    uint64_t oldest_kept[2] = {UINT64_MAX, UINT64_MAX}, newest_gone[2] = {0, 0};
    struct stats s;
    uint64_t n;
    int c, k;

    group_stats(g, &s);
    HOLDS(s.main.bytes + s.hot.bytes + s.flushed_bytes <= opts.cache_bytes);
    n = s.main.evictions + s.hot.evictions - want_evictions;
    want_evictions += n;
    for (k = 0; k < KEYS && n; k++) {
        struct key_ref key = key_of(k);
        enum source source;
        struct item *it = group_peek(g, &key, &source);
        struct entry *e = find(k);

        c = e == &cache[1][k];
        if (e && !e->negative && !it) {
            newest_gone[c] = e->used > newest_gone[c] ? e->used : newest_gone[c];
            e->there = 0;
            n--;
        } else if (e && !e->negative) {
            oldest_kept[c] = e->used < oldest_kept[c] ? e->used : oldest_kept[c];
        }
        item_unref(it);
    }
    for (c = 0; c < 2; c++)
        HOLDS(!newest_gone[c] || newest_gone[c] <= oldest_kept[c]);
}

static void keep(int c, int key, unsigned s, size_t n, uint64_t expires_ms)
{
    cache[c][key] =
        (struct entry){.there = 1, .serial = s, .len = n, .expires_ms = expires_ms, .used = step};
}

/* An item over an eighth of the cache is not kept. What an item costs beside its value is not known
 * here. */
static int may_be_too_large(size_t n)
{
    return n * 8 + 2048 > opts.cache_bytes;
}

/* Whether main or hot has kept the value just now. */
static int is_kept(int key, unsigned s, size_t n)
{
    struct key_ref k = key_of(key);
    enum source source;
    struct item *it = group_peek(g, &k, &source);
    struct expected x = {.value = {.there = 1, .serial = s, .len = n}};
    struct result r = {.item = it};
    int kept = it != NULL;

    if (kept)
        is_expected(&r, &x);
    else
        HOLDS(may_be_too_large(n)); /* for no other reason */
    item_unref(it);
    return kept;
}

static void drop(int key)
{
    cache[0][key].there = cache[1][key].there = 0;
}

/* Expects the end of a flight, and of those that wait for it. */
static void ending(int i, const struct expected *x)
{
    int j;

    now_ending[i] = *x;
    loads[i].open = 0;
    for (j = 0; j < n_loads; j++)
        if (loads[j].open && loads[j].fell_to == i) {
            ending(j, x);
            if (loads[i].kind == FLIGHT_LOCAL && x->code == ERR_TIMEOUT)
                continue;
        }
}

/* --- steps --- */

static struct ticket *free_ticket(void)
{
    int i;

    for (i = 0; i < TICKETS; i++)
        if (!tickets[i].used || tickets[i].wakes)
            return &tickets[i];
    return NULL;
}

static void do_get(int key, int from_peer)
{
    struct ticket *t = free_ticket();
    struct key_ref k = key_of(key);
    struct result now = {.item = NULL};
    struct entry *e = find(key);
    int kind = is_remote(keys[key].bytes, keys[key].n) && !from_peer ? FLIGHT_REMOTE : FLIGHT_LOCAL;
    int known, i;

    if (!t || n_loads + 2 >= LOADS)
        return;
    want.gets++;
    want.server_requests += from_peer ? 1 : 0;
    i = e ? -1 : find_load(key, kind);
    memset(t, 0, sizeof(*t));
    t->used = 1;
    t->key = key;
    t->load = i < 0 ? n_loads : i;
    t->waiter.wake = wake;
    may_hand = 0;
    known = group_look_or_load(g, &k, from_peer, &t->waiter, &now);
    if (!e || e->negative)
        want.loads++;
    if (e) {
        struct expected x = {.value = *e, .code = ERR_NOTFOUND};

        x.value.there = !e->negative;
        HOLDS(known);
        is_expected(&now, &x);
        e->used = step;
        want.cache_hits += e->negative ? 0 : 1;
        want.negative_hits += e->negative ? 1 : 0;
    } else if (known) { /* it would be too late: the group's word is taken for it */
        HOLDS(now.err.code == ERR_BUSY && i < 0 && kind == FLIGHT_LOCAL && running() == MAX_LOADS);
    } else if (i < 0) {
        want.loads_deduped++;
        open_load(key, kind);
    }
    t->used = !known;
    item_unref(now.item);
    may_hand = 1;
    take_early();
}

/* One of the loads that a loader has. */
static int held_load(unsigned pick)
{
    int i, n = 0;

    for (i = 0; i < n_loads; i++)
        n += loads[i].flight != NULL;
    if (!n)
        return -1;
    pick %= (unsigned)n;
    for (i = 0; !loads[i].flight || pick--; i++)
        ;
    return i;
}

static struct flight *give_back(int i)
{
    struct flight *f = loads[i].flight;

    loads[i].flight = NULL;
    return f;
}

static void do_value(int i, size_t n)
{
    struct load *l = &loads[i];
    int c = l->kind == FLIGHT_LOCAL ? 0 : 1, was_open = l->open;
    struct expected x = {.value = {.there = 1, .serial = ++serial, .len = n}};
    struct key_ref k = key_of(l->key);
    char *value = malloc(n + 1);
    uint64_t expires_ms = opts.ttl_ms ? clock_ms() + opts.ttl_ms : 0;
    int is_large = n > opts.max_value_bytes;

    if (l->open && l->kind == FLIGHT_LOCAL) {
        want.local_loads += is_large ? 0 : 1;
        want.local_load_errs += is_large ? 1 : 0;
    } else if (l->open) {
        want.peer_loads++;
    }
    if (is_large && l->kind == FLIGHT_LOCAL)
        x = (struct expected){.code = ERR_TOOBIG};
    if (l->open)
        ending(i, &x);
    fill(value, n, serial);
    if (l->kind == FLIGHT_LOCAL) {
        group_finish_value(give_back(i), value, n, NULL, NULL);
    } else {
        struct result r = {.source = SOURCE_PEER, .item = item_new(&k, value, n, expires_ms)};

        group_finish(give_back(i), &r);
        item_unref(r.item);
    }
    free(value);
    if (!was_open || l->outdated || !x.value.there || (c == 1 && opts.hot != HOT_ALWAYS))
        return;
    cache[c][l->key].there = 0; /* it is displaced, also by a value that is not kept */
    if (c == 1 && is_live(&cache[0][l->key])) { /* main hides what hot has */
        keep(c, l->key, serial, n, expires_ms);
        lost_track = may_be_too_large(n);
    } else if (is_kept(l->key, serial, n)) {
        keep(c, l->key, serial, n, expires_ms);
    } else {
        drop(l->key);
    }
}

static void do_error(int i, enum err code)
{
    struct load *l = &loads[i];
    struct expected x = {.code = code};
    int was_open = l->open, counts = l->open && l->kind == FLIGHT_LOCAL;

    want.local_load_errs += counts ? 1 : 0;
    want.peer_errors += l->open && l->kind == FLIGHT_REMOTE && code == ERR_TIMEOUT ? 1 : 0;
    if (l->open)
        ending(i, &x);
    if (code == ERR_NOTFOUND)
        group_end_not_found(give_back(i), "not found", NULL);
    else
        group_finish_error(give_back(i), code, "an error");
    if (code != ERR_NOTFOUND || !was_open || l->outdated)
        return;
    drop(l->key);
    if (l->kind == FLIGHT_LOCAL && negative_ttl_ms) {
        keep(0, l->key, 0, 0, clock_ms() + negative_ttl_ms);
        cache[0][l->key].negative = 1;
    }
}

/* The owner cannot be used: the remote flight waits for a local one. */
static void do_fallback(int i)
{
    struct load *l = &loads[i];
    int to = find_load(l->key, FLIGHT_LOCAL), open = l->open;

    if (l->kind != FLIGHT_REMOTE || n_loads + 1 >= LOADS)
        return;
    want.peer_errors += open ? 1 : 0;
    may_hand = 0;
    if (open && to < 0) { /* if it would be too late it is BUSY: not in this history */
        if (running() == MAX_LOADS) {
            want.peer_errors--;
            may_hand = 1;
            return;
        }
        to = open_load(l->key, FLIGHT_LOCAL);
    }
    l->fell_to = open ? to : -1;
    l->fell_back = 1;
    group_fallback(give_back(i), 1);
    may_hand = 1;
    take_early();
}

static void outdate(int key)
{
    int i;

    for (i = 0; i < n_loads; i++)
        if (loads[i].open && (key < 0 || loads[i].key == key))
            loads[i].outdated = 1;
}

static void do_set(int key, size_t n)
{
    struct key_ref k = key_of(key);
    char *value = malloc(n + 1);
    struct error e;
    enum err code;

    fill(value, n, ++serial);
    code = group_set(g, &k, value, n, NULL, &e);
    free(value);
    want.sets++;
    outdate(key);
    drop(key);
    HOLDS(code == ERR_OK || code == ERR_TOOBIG);
    HOLDS(n <= opts.max_value_bytes || code == ERR_TOOBIG);
    if (code)
        HOLDS(n > opts.max_value_bytes || !is_kept(key, serial, n));
    else
        keep(0, key, serial, n, opts.ttl_ms ? clock_ms() + opts.ttl_ms : 0);
}

static void do_remove(int key)
{
    struct key_ref k = key_of(key);

    group_remove(g, &k);
    want.removes++;
    outdate(key);
    drop(key);
}

static void do_flush(void)
{
    int k;

    group_flush(g);
    want.flushes++;
    outdate(-1);
    for (k = 0; k < KEYS; k++)
        drop(k);
}

/* Each flight whose deadline has passed ends. Remote ones end first, so none of them is ended by
 * the end of the local one that it waits for. */
static void do_tick(void)
{
    const struct expected late = {.code = ERR_TIMEOUT};
    uint64_t now = clock_ms();
    int i, kind;

    for (kind = 0; kind < FLIGHT_KINDS; kind++)
        for (i = 0; i < n_loads; i++) {
            struct load *l = &loads[i];

            if (!l->open || l->kind != kind || l->deadline_ms > now)
                continue;
            want.local_load_errs += kind == FLIGHT_LOCAL ? 1 : 0;
            want.peer_errors += kind == FLIGHT_REMOTE && !l->fell_back ? 1 : 0;
            ending(i, &late);
        }
    group_tick(g, now);
}

static void do_cancel(unsigned pick)
{
    struct ticket *t = &tickets[pick % TICKETS];
    int waits = t->used && !t->wakes;

    if (!t->used)
        return;
    HOLDS(group_cancel(g, &t->waiter) == waits);
    t->used = 0;
}

static void do_configure(unsigned pick)
{
    const struct group_texts texts = {"", "", "", ""};

    opts.cache_bytes = 20000 + pick * 400;
    group_configure(g, &texts, &opts);
}

/* --- the checks --- */

static void check_counters(void)
{
    struct stats s;
    uint64_t open = 0, waiting = 0;
    int i;

    for (i = 0; i < n_loads; i++) {
        open += loads[i].open ? 1 : 0;
        waiting += loads[i].fell_to >= 0 && loads[loads[i].fell_to].open ? 1 : 0;
    }
    for (i = 0; i < TICKETS; i++)
        waiting += tickets[i].used && !tickets[i].wakes ? 1 : 0;
    group_stats(g, &s);
#define SAME(name)                                                                                 \
    do {                                                                                           \
        if (s.name != want.name)                                                                   \
            fprintf(stderr, #name ": %llu, the model has %llu\n", (unsigned long long)s.name,      \
                    (unsigned long long)want.name);                                                \
        HOLDS(s.name == want.name);                                                                \
    } while (0)
    SAME(gets);
    SAME(cache_hits);
    SAME(negative_hits);
    SAME(loads);
    SAME(loads_deduped);
    SAME(local_loads);
    SAME(local_load_errs);
    SAME(peer_loads);
    SAME(peer_errors);
    SAME(server_requests);
    SAME(sets);
    SAME(removes);
    SAME(flushes);
#undef SAME
    HOLDS(s.flights == open);
    HOLDS(s.waiters == waiting);
}

static void check_items(void)
{
    int k;

    for (k = 0; k < KEYS; k++) {
        struct key_ref key = key_of(k);
        enum source source;
        struct item *it = group_peek(g, &key, &source);
        struct entry *e = find(k);

        HOLDS(!!it == (e && !e->negative));
        if (it) {
            struct expected x = {.value = *e};
            struct result r = {.item = it};

            is_expected(&r, &x);
            HOLDS(source == (e == &cache[0][k] ? SOURCE_MAIN : SOURCE_HOT));
        }
        item_unref(it);
    }
}

/* Once all is removed, only the index costs memory. */
static void check_empty(void)
{
    struct stats s;

    do_flush();
    while (group_stats(g, &s), s.flushed_bytes) /* freed bit by bit */
        group_tick(g, clock_ms());
    HOLDS(s.main.items + s.hot.items == 0);
    HOLDS(s.main.bytes + s.hot.bytes <= 4096);
}

static void play(struct fuzz *in)
{
    unsigned what = fuzz_byte(in), with = fuzz_byte(in);
    int key = (int)(with % KEYS), i = held_load(with >> 3);
    size_t n = fuzz_byte(in) * 13;

    switch (what % 12) {
    case 0:
    case 1:
    case 2:
        do_get(key, what % 12 == 2);
        break;
    case 3:
    case 4:
        if (i >= 0)
            do_value(i, n);
        break;
    case 5:
        if (i >= 0)
            do_error(i, with & 1 ? ERR_NOTFOUND : with & 2 ? ERR_GETTER : ERR_TIMEOUT);
        break;
    case 6:
        if (i >= 0)
            do_fallback(i);
        break;
    case 7:
        do_set(key, n);
        break;
    case 8:
        if (with & 0x80)
            do_flush();
        else
            do_remove(key);
        break;
    case 9:
        clock_advance(with);
        do_tick();
        break;
    case 10:
        do_cancel(with);
        break;
    default:
        do_configure(with);
    }
    note_evictions();
}

FUZZ_TARGET
{
    const struct loader loader = {
        .owner = owner, .disown = disown, .remote = remote, .local = local};
    struct fuzz in = {data, size};
    unsigned flags = fuzz_byte(&in);
    int i;

    memset(tickets, 0, sizeof(tickets));
    memset(cache, 0, sizeof(cache));
    memset(&want, 0, sizeof(want));
    n_loads = n_early = lost_track = 0;
    want_evictions = 0;
    group_opts_init(&opts);
    opts.eviction = EVICT_LRU;
    opts.cache_bytes = 30000;
    opts.max_value_bytes = 3000;
    opts.ttl_jitter = 0;
    opts.timeout_ms = TIMEOUT_MS;
    opts.max_loads = MAX_LOADS;
    opts.ttl_ms = flags & 1 ? 700 : 0;
    opts.hot = flags & 2 ? HOT_ALWAYS : HOT_NEVER;
    opts.negative_ttl_ms = negative_ttl_ms = flags & 4 ? 500 : 0;
    g = group_new("g", "", &opts, &loader);
    may_hand = 1;
    for (step = 1; in.left && step < STEPS && !lost_track; step++) {
        play(&in);
        check_counters();
        check_items();
    }
    clock_advance(2 * TIMEOUT_MS);
    do_tick();
    for (i = 0; i < n_loads; i++)
        if (loads[i].flight)
            group_finish_error(give_back(i), ERR_GETTER, "late");
    for (i = 0; i < TICKETS; i++)
        HOLDS(!tickets[i].used || tickets[i].wakes == 1); /* no flight without an end */
    check_counters();
    check_empty();
    group_unref(g);
    return 0;
}
