/* SPDX-License-Identifier: MIT */
/* plan.c - what happens to the cluster: acts of clients and faults, each by the seed and its number
 * alone. So an act can be left out, and all others stay as they are. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "sim.h"
#include "virtual.h"
#include "wire/batch.h"

enum {
    ACT_MS = 14,
    AGREE_MS = 400,
    UNTOLD_KEYS = SIM_KEYS - 3,
    WHILE_ACTS = 400,
    BUSY_MS = 3,
    SHUT_OUT = 12 /* one node cannot reach another, so it asks stand-ins; all links are slow */
};

enum act {
    ACT_GET = 0,
    ACT_REMOVE = 77,
    ACT_SET = 85,
    ACT_SOURCE = 92,
    ACT_FLUSH = 94,
    ACT_FAULT = 95,
    ACTS = 100, /* of a hundred */
};

static struct event next;
static uint64_t number; /* of the next act */
static const unsigned char *out;
static size_t n_out;
static unsigned members; /* of the lists that are being set, or were set last */
static struct event spread[SIM_NODES], healed, agreed, rest;

static uint64_t pick(uint64_t salt, uint64_t n)
{
    return sim_random(number, 1000 + salt, n);
}

static int up_node(uint64_t salt)
{
    int i = (int)pick(salt, (uint64_t)sim_n_nodes), j;

    for (j = 0; j < sim_n_nodes; j++, i = (i + 1) % sim_n_nodes)
        if (sim_nodes[i].up && sim_nodes[i].listed)
            return i;
    return -1;
}

int sim_any_stopped(void)
{
    static uint64_t until_ms; /* what waits for a stopped node is late for a while */
    int i;

    for (i = 0; i < sim_n_nodes; i++)
        if (sim_nodes[i].stopped)
            until_ms = clock_ms() + 2 * SIM_TIMEOUT_MS;
    return clock_ms() < until_ms;
}

/* --- faults --- */

static void heal(struct event *ev)
{
    int i, j;

    (void)ev;
    sim_say("the links are fine again");
    for (i = 0; i < SIM_NODES; i++)
        for (j = 0; j < SIM_NODES; j++)
            sim_links[i][j] = (struct link){.state = LINK_OPEN};
    for (i = 0; i < sim_n_nodes; i++)
        sim_nodes[i].stopped = 0;
    check_fault();
}

static void set_list_of(struct event *ev)
{
    int i = (int)(ev - spread);

    node_set_list(i, members);
}

static void all_agree(struct event *ev)
{
    int i;

    (void)ev;
    for (i = 0; i < sim_n_nodes; i++)
        sim_nodes[i].listed = sim_nodes[i].up && (members >> i & 1);
    check_fault();
    sim_say("the lists are the same again");
}

/* Every node learns of the new list at a time of its own. */
static void change_list(unsigned to)
{
    int i;

    check_fault();
    members = to;
    for (i = 0; i < sim_n_nodes; i++)
        if (sim_nodes[i].up && (to >> i & 1))
            events_set(&spread[i], i, pick(20 + (uint64_t)i, AGREE_MS), set_list_of);
    events_set(&agreed, -1, AGREE_MS + 1, all_agree);
}

/* Clients ask a node that leaves no more. It is killed, or hands over what it holds. */
static void leave_or_join(void)
{
    int i = (int)pick(1, (uint64_t)sim_n_nodes);

    if (agreed.slot || sim_nodes[i].stopped || sim_nodes[i].leaving)
        return;
    if (members >> i & 1) {
        if (__builtin_popcount(members) <= 3)
            return;
        sim_say("node %d leaves", i);
        sim_nodes[i].listed = 0;
        if (sim_nodes[i].up && pick(25, 2))
            node_crash(i);
        else if (sim_nodes[i].up)
            node_leave(i, pick(26, AGREE_MS / 2));
        change_list(members & ~(1u << i));
    } else {
        sim_say("node %d joins", i);
        if (!sim_nodes[i].up)
            node_start(i);
        change_list(members | 1u << i);
    }
}

static void crash_or_restart(void)
{
    int i = (int)pick(2, (uint64_t)sim_n_nodes);

    if (!(members >> i & 1) || agreed.slot)
        return;
    check_fault();
    if (sim_nodes[i].up) {
        sim_nodes[i].listed = 0;
        node_crash(i);
    } else {
        node_start(i);
        node_set_list(i, members);
        sim_nodes[i].listed = 1;
    }
}

static void bad_links(uint64_t kind)
{
    int a = (int)pick(3, (uint64_t)sim_n_nodes), b = (int)pick(4, (uint64_t)sim_n_nodes), i, j;

    for (i = 0; i < sim_n_nodes; i++)
        for (j = 0; j < sim_n_nodes; j++) {
            struct link *l = &sim_links[i][j];
            int is_side = (pick(5, 512) >> i & 1) != (pick(5, 512) >> j & 1);

            if (kind == 0 && is_side) /* the cluster falls into two parts */
                l->state = LINK_CUT;
            else if (kind == 1 && ((i == a && j == b) || (i == b && j == a)))
                l->state = LINK_CUT;
            else if (kind == 2 && (i == a || j == a))
                l->slow_ms = 1 + pick(6, 1500);
            else if (kind == 3)
                l->loss = (unsigned)pick(7, 200);
            else if (kind == 4)
                l->cuts = (unsigned)pick(8, 300);
            else if (kind == 5 && j == a)
                l->state = LINK_REFUSES;
            else if (kind == 6)
                l->slow_ms = 1 + pick(9, 100);
            else if (kind == SHUT_OUT)
                l->slow_ms = 1 + pick(9, 30);
            if (kind == SHUT_OUT && i == a && j == (a + 1) % sim_n_nodes)
                l->state = LINK_REFUSES;
        }
    sim_say("links are bad, kind %d, node %d and %d", (int)kind, a, b);
}

static void fault(void)
{
    uint64_t kind = pick(10, SHUT_OUT + 4);

    if (kind > SHUT_OUT)
        kind = SHUT_OUT;
    if (clock_ms() < rest.at_ms)
        return; /* a time without faults */
    check_fault();
    sim_counts->faults++;
    if (kind < 7 || kind == SHUT_OUT) {
        bad_links(kind);
        events_set(&healed, -1, pick(11, kind == SHUT_OUT ? 20000 : 4000), heal);
    } else if (kind == 7) {
        int i = (int)pick(12, (uint64_t)sim_n_nodes);

        if (sim_nodes[i].up) {
            sim_say("node %d is stopped", i);
            sim_nodes[i].stopped = 1;
            events_set(&healed, -1, pick(13, 3000), heal);
        }
    } else if (kind == 8) {
        crash_or_restart();
    } else if (kind == 9) {
        leave_or_join();
    } else if (kind == 10) {
        sim_say("the wall clock is stepped");
        virtual_step_wall((int64_t)pick(22, 7200000) - 3600000);
    } else {
        sim_say("no faults for a while");
        rest.at_ms = clock_ms() + 60000 + pick(14, 60000);
    }
}

/* Nodes join and leave more often than faults of other kinds happen. */
static void change_of_list(void)
{
    if (clock_ms() < rest.at_ms)
        return;
    sim_counts->faults++;
    leave_or_join();
}

/* --- acts --- */

/* In one of four whiles, most acts are about one key and follow each other fast, so that its gets
 * and changes meet. */
static int is_busy(void)
{
    return sim_random(number / WHILE_ACTS, 1025, 4) == 0;
}

static int key_of_act(void)
{
    return (int)(is_busy() && pick(24, 8) ? sim_random(number / WHILE_ACTS, 1026, SIM_KEYS)
                                          : pick(16, SIM_KEYS));
}

static void act(struct event *ev)
{
    int i = up_node(15), key = key_of_act();
    uint64_t what = pick(17, ACTS);

    if (number < n_out && out[number]) {
        /* it is left out */
    } else if (what >= ACT_FAULT) {
        if (pick(18, 4) == 0)
            fault();
        else if (pick(18, 4) == 1 && pick(27, 3) == 0)
            change_of_list();
    } else if (i < 0 || sim_nodes[i].stopped) {
        /* nobody is there to be asked */
    } else if (what >= ACT_FLUSH) {
        if (pick(19, sim_ttl_ms() ? 300 : 3) == 0)
            node_change(i, 0, 0, BATCH_FLUSH);
    } else if (what >= ACT_SOURCE) { /* the source changes, and nobody is told */
        check_source(key);
    } else if (what >= ACT_REMOVE && sim_ttl_ms() && key >= UNTOLD_KEYS) {
        /* some keys expire only */
    } else if (what >= ACT_REMOVE) {
        if (what >= ACT_SET)
            node_change(i, key, 1, BATCH_SET);
        else
            node_change(i, key, pick(21, 4) || key + 4 > UNTOLD_KEYS ? 1 : 4, BATCH_REMOVE);
    } else {
        node_get(i, key);
    }
    number++;
    events_set(ev, -1, 1 + pick(0, is_busy() ? BUSY_MS : ACT_MS), act);
}

void plan_start(const unsigned char *dropped, size_t n_dropped)
{
    int i;

    out = dropped;
    n_out = n_dropped;
    number = 0;
    memset(&rest, 0, sizeof(rest));
    sim_n_nodes = 3 + (int)sim_random(0, 999, SIM_NODES - 2);
    members = (1u << sim_n_nodes) - 1;
    for (i = 0; i < sim_n_nodes; i++)
        node_start(i);
    for (i = 0; i < sim_n_nodes; i++) {
        node_set_list(i, members);
        sim_nodes[i].listed = 1;
    }
    events_set(&next, -1, 1, act);
}

/* No more acts and faults. */
void plan_end(void)
{
    events_cancel(&next);
    heal(NULL);
}

uint64_t plan_acts(void)
{
    return number;
}
