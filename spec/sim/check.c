/* SPDX-License-Identifier: MIT */
/* check.c - what must hold after every event.
 *
 *   1. A get that begins after a change was confirmed gives no older version.
 *   2. Without faults no key is loaded twice at the same time, wherever it is asked for.
 *   3. No value is given for longer than its ttl and the time that it may be stale, also if nobody
 *      was told that it has changed, and whatever the wall clock does.
 *   4. Every get and every change ends in time, and in the end no load is left.
 *
 * While the nodes' lists of peers differ, a change may be confirmed by nodes of which none is the
 * owner for all (docs/design/changes.md). Such a change promises nothing here. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "sim.h"

enum {
    CALM_MS = 45000, /* behind a fault, until no peer is out of use any more */
    MARGIN_MS = GROUP_MARGIN_MS + 500,
    LOADS = 64,
    LIVED_VERSIONS = 256
};

/* A getter that runs. */
struct load {
    int node, key;
    const struct flight *flight;
    uint64_t begun_ms;
};

static struct {
    uint64_t origin;    /* the version at the source */
    uint64_t confirmed; /* a get gives this one at least */
    uint64_t changed_ms;
    int changes;                    /* one is under way: a key has one writer */
    uint64_t lived[LIVED_VERSIONS]; /* by version modulo their number: until it was at the source */
} keys[SIM_KEYS];

static struct load loads[LOADS];
static int n_loads, flushes;
static uint64_t quiet_ms;      /* no fault since */
static uint64_t agreed_ms;     /* the lists are the same since; UINT64_MAX: they differ */
static uint64_t gets, changes; /* under way */

void check_reset(void)
{
    memset(keys, 0, sizeof(keys));
    n_loads = flushes = 0;
    quiet_ms = agreed_ms = 0;
    gets = changes = 0;
}

uint64_t check_origin(int key)
{
    return keys[key].origin;
}

int check_may_change(int key)
{
    return !keys[key].changes;
}

static uint64_t new_version(int key)
{
    keys[key].lived[keys[key].origin % LIVED_VERSIONS] = clock_ms();
    return ++keys[key].origin;
}

void check_source(int key)
{
    if (!keys[key].changes)
        new_version(key);
}

uint64_t check_next(int key)
{
    changes++;
    sim_counts->changes++;
    keys[key].changes = 1;
    keys[key].changed_ms = clock_ms();
    return new_version(key);
}

void check_fault(void)
{
    quiet_ms = clock_ms() + CALM_MS;
}

void check_disagree(void)
{
    int i;

    agreed_ms = UINT64_MAX;
    for (i = 0; i < SIM_KEYS; i++)
        keys[i].confirmed = 0;
    check_fault();
}

/* Loads of the time before may still bring what they have read then. */
void check_agree(void)
{
    agreed_ms = clock_ms() + 2 * SIM_TIMEOUT_MS;
}

static void no_change_is_late(uint64_t begun_ms, const char *what)
{
    if (clock_ms() > begun_ms + SIM_TIMEOUT_MS + MARGIN_MS)
        sim_broken("%s took %llu ms", what, (unsigned long long)(clock_ms() - begun_ms));
}

static void raise_confirmed(int key, uint64_t version, uint64_t begun_ms)
{
    if (agreed_ms == UINT64_MAX || begun_ms < agreed_ms || version <= keys[key].confirmed)
        return;
    keys[key].confirmed = version;
    sim_counts->confirmed++;
}

void check_changed(int key, uint64_t version, int confirmed, uint64_t begun_ms)
{
    if (!sim_any_stopped())
        no_change_is_late(begun_ms, "a change");
    changes--;
    keys[key].changes = 0;
    keys[key].changed_ms = clock_ms();
    if (confirmed)
        raise_confirmed(key, version, begun_ms);
}

void check_flush(uint64_t all[SIM_KEYS])
{
    int i;

    flushes++;
    for (i = 0; i < SIM_KEYS; i++) {
        all[i] = keys[i].origin;
        keys[i].changed_ms = clock_ms();
    }
}

void check_flushed(const uint64_t all[SIM_KEYS], int confirmed, uint64_t begun_ms)
{
    int i;

    flushes--;
    for (i = 0; i < SIM_KEYS; i++) {
        keys[i].changed_ms = clock_ms();
        if (confirmed)
            raise_confirmed(i, all[i], begun_ms);
    }
}

void check_get_begins(struct check_get *g, int node, int key)
{
    *g = (struct check_get){.node = node,
                            .key = key,
                            .life = sim_nodes[node].life,
                            .begun_ms = clock_ms(),
                            .least = keys[key].confirmed};
    gets++;
    sim_counts->gets++;
}

/* A copy's ttl counts from its arrival, at each of two nodes. A value of a version that is so old
 * that its place was taken has expired in any case. */
static void is_not_expired(const struct check_get *g, uint64_t version)
{
    uint64_t most = sim_ttl_ms() + SIM_STALE_MS + 4 * SIM_TIMEOUT_MS;
    int is_known = keys[g->key].origin - version < LIVED_VERSIONS;
    uint64_t lived = is_known ? keys[g->key].lived[version % LIVED_VERSIONS] : 0;

    if (!sim_any_stopped() && g->begun_ms > lived + most)
        sim_broken("node %d gave version %llu of key %d %llu ms after it was changed, but values "
                   "live for %llu ms",
                   g->node, (unsigned long long)version, g->key,
                   (unsigned long long)(g->begun_ms - lived), (unsigned long long)most);
}

void check_get_ends(const struct check_get *g, const struct result *r)
{
    char text[32] = "";
    unsigned long long version;

    gets--;
    if (!sim_nodes[g->node].up || sim_nodes[g->node].life != g->life)
        return;
    if (!sim_any_stopped())
        no_change_is_late(g->begun_ms, "a get");
    if (!r->item)
        return;
    sim_counts->values++;
    memcpy(text, item_value(r->item), r->item->value_len < 31 ? r->item->value_len : 31);
    version = strtoull(text, NULL, 10);
    if (version > keys[g->key].origin)
        sim_broken("node %d gave version %llu of key %d, which is none", g->node, version, g->key);
    if (sim_ttl_ms() && version < keys[g->key].origin)
        is_not_expired(g, version);
    sim_counts->stand_ins += r->passing ? 1 : 0;
    if (version < g->least && keys[g->key].confirmed >= g->least)
        sim_broken("node %d gave version %llu of key %d (source %s) to a get that began at %llu, "
                   "after version %llu was confirmed",
                   g->node, version, g->key, source_name(r->source),
                   (unsigned long long)g->begun_ms, (unsigned long long)g->least);
}

void check_load_begins(int node, const struct flight *f, int key)
{
    int i;

    for (i = 0; i < n_loads; i++) {
        const struct load *l = &loads[i];

        /* A change may have outdated the first, and its time may have passed. */
        if (l->key == key && clock_ms() < l->begun_ms + SIM_TIMEOUT_MS && clock_ms() > quiet_ms &&
            l->begun_ms > keys[key].changed_ms && !keys[key].changes && !flushes)
            sim_broken("nodes %d and %d load key %d at the same time, and there was no fault",
                       l->node, node, key);
    }
    sim_counts->loads++;
    sim_counts->calm_loads += clock_ms() > quiet_ms;
    if (n_loads == LOADS)
        sim_broken("too many getters run");
    loads[n_loads++] = (struct load){node, key, f, clock_ms()};
}

void check_load_ends(int node, const struct flight *f, int key)
{
    int i;

    (void)node;
    for (i = 0; i < n_loads && (loads[i].flight != f || loads[i].key != key); i++)
        ;
    loads[i] = loads[--n_loads];
}

/* No load is older than its deadline allows. A look at one node an event is enough. */
void check_step(void)
{
    static int i;
    struct stats s;
    const struct node *n = &sim_nodes[++i % SIM_NODES];

    sim_any_stopped(); /* it notes the time */
    if (!n->up)
        return;
    group_stats(n->group, &s);
    if (s.waiters > 0 && !s.flights)
        sim_broken("node %d has %llu waiters without a load", i % SIM_NODES,
                   (unsigned long long)s.waiters);
}

/* Time for all to end has passed. */
void check_end(void)
{
    struct stats s;
    int i;

    for (i = 0; i < sim_n_nodes; i++) {
        if (!sim_nodes[i].up)
            continue;
        group_stats(sim_nodes[i].group, &s);
        if (s.flights || s.waiters)
            sim_broken("node %d has %llu loads and %llu waiters that do not end", i,
                       (unsigned long long)s.flights, (unsigned long long)s.waiters);
    }
    if (gets || changes)
        sim_broken("%llu gets and %llu changes have not ended", (unsigned long long)gets,
                   (unsigned long long)changes);
}
