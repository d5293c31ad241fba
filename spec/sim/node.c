/* SPDX-License-Identifier: MIT */
/* node.c - a node: its parts, its getter, and what its clients ask. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/list.h"
#include "cache/groups.h"
#include "change/change.h"
#include "change/handing.h"
#include "peer/handover.h"
#include "peer/peers.h"
#include "sim.h"

enum { TICK_MS = 50, GETTER_MS = 60, HAND_MS = 2500 };

struct node sim_nodes[SIM_NODES];
int sim_n_nodes;

static struct event ticks[SIM_NODES], leaves[SIM_NODES];

void node_url(char out[32], int i)
{
    snprintf(out, 32, "http://10.0.0.%d:80", i + 1);
}

int node_of_url(const char *url)
{
    return atoi(url + strlen("http://10.0.0.")) - 1;
}

size_t node_key(char out[16], int key)
{
    return (size_t)snprintf(out, 16, "key-%d", key);
}

int node_key_number(const void *bytes, size_t n)
{
    char text[16] = "";

    memcpy(text, bytes, n < 15 ? n : 15);
    return atoi(text + 4);
}

/* --- the getter --- */

struct getter {
    struct event ev;
    struct flight *flight;
    int node, key;
    uint64_t version; /* that it has read */
    int fails;
};

static void getter_ends(struct event *ev)
{
    struct getter *x = list_entry(ev, struct getter, ev);
    char text[32];
    int n = snprintf(text, sizeof(text), "%llu", (unsigned long long)x->version);

    check_load_ends(x->node, x->flight, x->key);
    if (x->fails)
        group_finish_error(x->flight, ERR_GETTER, "the source has failed");
    else
        group_finish_value(x->flight, text, (size_t)n, NULL, NULL);
    free(x);
}

static void run_getter(void *ctx, struct flight *f)
{
    struct getter *x = calloc(1, sizeof(*x));
    int node = (int)((struct node *)ctx - sim_nodes);
    uint64_t chance, slow; /* some getters take longer than their load may */

    if (!x)
        abort();
    chance = clock_ms() << 4 | (uint64_t)node;
    *x = (struct getter){.flight = f, .node = node, .key = node_key_number(f->key, f->key_len)};
    x->version = check_origin(x->key);
    x->fails = sim_random(chance, (uint64_t)x->key << 8 | 31, 50) == 0;
    sim_say("node %d loads key %d, version %llu", node, x->key, (unsigned long long)x->version);
    check_load_begins(node, f, x->key);
    slow =
        sim_random(chance, (uint64_t)x->key << 8 | 32, 200) == 0 ? 2 * SIM_TIMEOUT_MS : GETTER_MS;
    events_set(&x->ev, node, sim_random(chance, (uint64_t)x->key << 8 | 30, slow), getter_ends);
}

/* --- the loader, as in node/node_loader.c --- */

/* A node that has joined asks the former owner first. */
static void load_here(void *ctx, struct flight *f)
{
    struct peers *peers = ((struct node *)ctx)->peers;
    struct peer *from = f->asked ? NULL : handover_from(peers, f);

    if (from)
        peer_queue_handover(f, from);
    else
        run_getter(ctx, f);
}

static struct peer *owner(void *ctx, const void *key, size_t n)
{
    return peers_owner(((struct node *)ctx)->peers, key, n);
}

static void disown(void *ctx, struct peer *p)
{
    peers_disown(((struct node *)ctx)->peers, p);
}

static void load_there(void *ctx, struct flight *f, struct peer *p)
{
    peer_queue_load(((struct node *)ctx)->peers, f, p);
}

static struct peers *peers_of(const struct group *g)
{
    return ((struct node *)group_ctx(g))->peers;
}

static void joined(void *ctx, struct peer *peer, uint64_t since_ms)
{
    struct node *n = ctx;

    changes_greet(n->changes, n->groups, peer, since_ms);
}

/* --- its life --- */

static void on_tick(struct event *ev)
{
    int i = (int)(ev - ticks);
    struct node *n = &sim_nodes[i];

    group_tick(n->group, clock_ms());
    changes_tick(n->changes, clock_ms());
    events_set(ev, i, TICK_MS, on_tick);
}

uint64_t sim_ttl_ms(void)
{
    return sim_random(0, 997, 3) ? 0 : 3000;
}

void node_start(int i)
{
    struct node *n = &sim_nodes[i];
    const struct loader loader = {
        .ctx = n, .owner = owner, .disown = disown, .remote = load_there, .local = load_here};
    const struct changes_opts co = {.peer_changes = "peers"};
    struct peers_opts po = {.dialect = DIALECT_GOLANG,
                            .base_path = "/_groupcache/",
                            .hash = HASH_CRC32,
                            .replicas = 50,
                            .joined = joined,
                            .ctx = n,
                            .connect_timeout_ms = 200};
    struct group_opts o;
    struct error e;
    char url[32];

    node_url(url, i);
    po.self = url;
    group_opts_init(&o);
    o.timeout_ms = SIM_TIMEOUT_MS;
    o.hot = sim_random(0, 998, 3) ? HOT_ALWAYS : HOT_SAMPLE;
    o.ttl_ms = sim_ttl_ms();
    o.stale_while_revalidate_ms = sim_random(0, 996, 2) ? 0 : SIM_STALE_MS / 2;
    o.stale_if_error_ms = sim_random(0, 995, 2) ? 0 : SIM_STALE_MS;
    o.cache_bytes = 1 << 20;
    n->net = net_new(i);
    n->peers = peers_new(&po, n->net);
    n->changes = changes_new(&co, peers_of, &e);
    n->group = group_new("g", "", &o, &loader);
    n->groups = groups_new();
    groups_add(n->groups, n->group);
    n->up = 1;
    n->stopped = 0;
    n->life++;
    events_set(&ticks[i], i, TICK_MS, on_tick);
    sim_say("node %d starts", i);
}

/* Its memory is given back in the order of a stop. For other nodes it is a kill. */
void node_crash(int i)
{
    struct node *n = &sim_nodes[i];

    sim_say("node %d ends", i);
    n->up = 0;
    n->stopped = n->leaving = 0;
    n->life++;
    events_cancel(&ticks[i]);
    events_cancel(&leaves[i]);
    serve_crash(i);
    group_close(n->group);
    net_close(n->net);
    net_crashed(i);
    changes_free(n->changes);
    peers_free(n->peers);
    groups_free(n->groups);
    group_unref(n->group);
    net_free(n->net);
    n->group = NULL;
}

/* --- it leaves, as in node/node_stop.c --- */

static int handing; /* the node that hands over in the innermost call */

/* A thread that waits: all else goes on. A stopped node's waits until it is continued. */
int nanosleep(const struct timespec *pause, struct timespec *left)
{
    uint64_t until_ms = clock_ms() + (uint64_t)pause->tv_nsec / 1000000;
    int node = handing, more = 1;

    (void)left;
    while (more && (clock_ms() < until_ms || sim_nodes[node].stopped))
        more = sim_step();
    if (!more)
        clock_advance(1);
    handing = node;
    return 0;
}

static void on_leave(struct event *ev)
{
    int i = (int)(ev - leaves);
    uint64_t n;

    handing = i;
    n = handing_over(sim_nodes[i].groups, peers_of, clock_ms() + HAND_MS, NULL, NULL);
    sim_say("node %d has handed over %llu items", i, (unsigned long long)n);
    node_crash(i);
}

void node_leave(int i, uint64_t ms)
{
    sim_nodes[i].leaving = 1;
    events_set(&leaves[i], i, ms, on_leave);
}

void node_set_list(int i, unsigned members)
{
    const char *urls[SIM_NODES];
    char text[SIM_NODES][32];
    struct error e;
    size_t n = 0;
    int j;

    if (!sim_nodes[i].up)
        return;
    for (j = 0; j < SIM_NODES; j++)
        if (members >> j & 1) {
            node_url(text[n], j);
            urls[n] = text[n];
            n++;
        }
    if (peers_set(sim_nodes[i].peers, urls, n, &e))
        sim_broken("node %d does not take a list: %s", i, e.msg);
}

void nodes_end(void)
{
    int i;

    for (i = 0; i < sim_n_nodes; i++)
        if (sim_nodes[i].up)
            node_crash(i);
    memset(sim_nodes, 0, sizeof(sim_nodes));
}

/* --- a get of a client --- */

struct get {
    struct waiter waiter;
    struct check_get check;
};

static void get_ends(struct waiter *w, const struct result *r)
{
    struct get *g = list_entry(w, struct get, waiter);

    check_get_ends(&g->check, r);
    free(g);
}

void node_get(int i, int key)
{
    struct get *g = calloc(1, sizeof(*g));
    char text[16];
    const struct key_ref k = group_key(text, node_key(text, key));
    struct result now = {.item = NULL};

    if (!g)
        abort();
    g->waiter.wake = get_ends;
    check_get_begins(&g->check, i, key);
    if (group_look_or_load(sim_nodes[i].group, &k, 0, &g->waiter, &now)) {
        get_ends(&g->waiter, &now);
        item_unref(now.item);
    }
}

/* --- a change of a client --- */

enum { MANY = 4 };

struct changed {
    int node, n, keys[MANY];
    unsigned life;
    uint64_t versions[MANY], begun_ms;
    uint64_t all[SIM_KEYS]; /* a flush: the versions of all keys when it began */
};

static void change_done(void *ctx, const struct change_result *r)
{
    struct changed *c = ctx;
    int is_alive = sim_nodes[c->node].up && sim_nodes[c->node].life == c->life, i;

    sim_say("the change of %d keys (%d) by node %d has ended: %s", c->n, c->keys[0], c->node,
            r->err.code ? r->err.msg : "confirmed");
    if (!c->n)
        check_flushed(c->all, is_alive && !r->err.code);
    for (i = 0; i < c->n; i++)
        check_changed(c->keys[i], c->versions[i], is_alive && !r->err.code, c->begun_ms);
    free(c);
}

void node_change(int i, int key, int n, int op)
{
    struct changed *c = calloc(1, sizeof(*c));
    char text[MANY][16], value[32];
    struct key keys[MANY];
    struct change_opts o = {.group = sim_nodes[i].group,
                            .op = (enum batch_op)op,
                            .keys = keys,
                            .done = change_done,
                            .ctx = c};

    if (!c)
        abort();
    *c = (struct changed){.node = i, .life = sim_nodes[i].life, .begun_ms = clock_ms()};
    for (; n; n--, key = (key + 1) % SIM_KEYS) {
        if (!check_may_change(key))
            continue;
        keys[c->n] = (struct key){text[c->n], node_key(text[c->n], key)};
        c->keys[c->n] = key;
        c->versions[c->n++] = check_next(key);
    }
    if (op == BATCH_FLUSH) {
        check_flush(c->all);
    } else if (!c->n) {
        free(c);
        return;
    }
    sim_say("node %d changes %d keys (%d) to version %llu by op %d", i, c->n, c->keys[0],
            (unsigned long long)c->versions[0], op);
    o.n_keys = (size_t)c->n;
    o.value = value;
    o.value_len =
        (size_t)snprintf(value, sizeof(value), "%llu", (unsigned long long)c->versions[0]);
    change_start(sim_nodes[i].changes, &o);
}
