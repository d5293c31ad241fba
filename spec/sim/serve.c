/* SPDX-License-Identifier: MIT */
/* serve.c - what a node answers to a peer, as http/serve_get.c and http/serve_peer_batch.c do: a
 * key, a batch, a change, and whether it lives. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/list.h"
#include "cache/group_hand.h"
#include "peer/agree.h"
#include "peer/peers.h"
#include "peer/stand_in.h"
#include "sim.h"
#include "wire/batch.h"
#include "wire/dialect.h"
#include "wire/getresponse.h"
#include "wire/until.h"

#define BASE "/_groupcache/"

/* The get of a key for a peer. */
struct asked {
    struct list link; /* in asked_all */
    struct waiter waiter;
    struct call *call; /* NULL: the node has crashed */
    struct batch *batch;
    int node;
    uint64_t index;
};

struct batch {
    struct call *call;
    size_t left;
};

static struct list asked_all;

static void put_number(struct call *c, const char *name, uint64_t n)
{
    char text[32];

    snprintf(text, sizeof(text), "%llu", (unsigned long long)n);
    call_header(c, name, text);
}

static uint64_t left_ms(uint64_t expires_ms)
{
    uint64_t now = clock_ms();

    return expires_ms > now ? expires_ms - now : 0;
}

/* --- what the nodes say of their rings --- */

/* Begins the answer to a peer. 1: its ring is another. */
static int compare(int node, struct call *c)
{
    struct peers *p = sim_nodes[node].peers;
    char view[CALL_TEXT], from[CALL_TEXT], other[CALL_TEXT], own[OUTLINE_TEXT];
    int differs = call_asked(c, HEADER_VIEW, view) &&
                  agree_asked(p, call_asked(c, HEADER_FROM, from), view, own);

    call_header(c, HEADER_NODE, "1");
    if (differs)
        call_header(c, HEADER_VIEW, own);
    if (call_asked(c, HEADER_STAND_IN, other))
        stand_in_note(p);
    return differs;
}

/* In place of until_clock(), which differs from run to run. */
static uint64_t until_clock_of(int node)
{
    return sim_nodes[node].life * 1000000000ull + (uint64_t)node * 100000000u + clock_ms();
}

static void put_ring(int node, struct call *c, int differs)
{
    struct peers *p = sim_nodes[node].peers;
    uint64_t since_ms = clock_ms() - peers_changed_ms(p), stood_in_ms = stand_in_ago_ms(p);
    struct buf urls;

    put_number(c, HEADER_CLOCK, until_clock_of(node));
    put_number(c, HEADER_SINCE, since_ms ? since_ms - 1 : 0);
    if (stood_in_ms != UINT64_MAX)
        put_number(c, HEADER_STAND_IN, stood_in_ms);
    buf_init(&urls, 0);
    if (differs)
        peers_put(p, &urls);
    if (urls.len)
        call_put(c, urls.data, urls.len);
    buf_deinit(&urls);
}

/* --- one key --- */

static void answer_key(struct call *c, const struct result *r)
{
    size_t n;
    const char *wire;

    if (!r->item) {
        call_head(c, dialect_status(DIALECT_GOLANG, r->err.code));
        call_header(c, HEADER_CODE, err_name(r->err.code));
        call_put(c, r->err.msg, strlen(r->err.msg));
    } else {
        call_head(c, 200);
        call_header(c, "Content-Type", DIALECT_CONTENT_TYPE);
        if (item_expires_ms(r->item))
            put_number(c, HEADER_TTL, left_ms(item_expires_ms(r->item)));
        if (r->source == SOURCE_STALE)
            call_header(c, HEADER_STALE, "1");
        wire = item_wire(r->item, &n);
        call_put(c, wire, n);
    }
    call_end(c);
}

/* --- one of a batch --- */

static void answer_frame(struct batch *b, uint64_t index, const struct result *r)
{
    struct batch_answer a = {.index = index};
    struct buf out;

    buf_init(&out, 0);
    if (r->item) {
        a.value = item_value(r->item);
        a.value_len = r->item->value_len;
        a.has_ttl = item_expires_ms(r->item) != 0;
        a.ttl_ms = left_ms(item_expires_ms(r->item));
        a.stale = r->source == SOURCE_STALE;
        a.age_s = item_age_s(r->item, clock_ms());
    } else {
        a.code = r->err.code;
        a.message = r->err.msg;
        a.message_len = strlen(r->err.msg);
    }
    batch_put_answer(&out, &a);
    if (a.value)
        buf_put(&out, a.value, a.value_len);
    call_put(b->call, out.data, out.len);
    buf_deinit(&out);
    if (--b->left)
        return;
    call_end(b->call);
    free(b);
}

static void wake(struct waiter *w, const struct result *r)
{
    struct asked *a = list_entry(w, struct asked, waiter);

    list_del(&a->link);
    if (a->call && a->batch)
        answer_frame(a->batch, a->index, r);
    else if (a->call)
        answer_key(a->call, r);
    free(a);
}

static void get(int node, struct call *c, struct batch *b, uint64_t index, const char *key,
                size_t n)
{
    const struct key_ref k = group_key(key, n);
    struct asked *a = calloc(1, sizeof(*a));
    struct result now = {.item = NULL};

    *a = (struct asked){.call = c, .batch = b, .node = node, .index = index};
    a->waiter.wake = wake;
    list_push_back(&asked_all, &a->link);
    if (group_look_or_load(sim_nodes[node].group, &k, 1, &a->waiter, &now)) {
        wake(&a->waiter, &now);
        item_unref(now.item);
    }
}

static void get_batch(int node, struct call *c, const struct batch_request *r)
{
    struct batch *b = calloc(1, sizeof(*b));
    size_t i;

    *b = (struct batch){c, r->n_keys};
    call_head(c, 200);
    call_begun(c);
    for (i = 0; i < r->n_keys; i++)
        get(node, c, b, i, r->keys[i].bytes, r->keys[i].n);
}

/* What the node holds, for a node that has joined. */
static void get_held(int node, struct call *c, const struct batch_request *r)
{
    struct batch *b = calloc(1, sizeof(*b));
    size_t i;

    *b = (struct batch){c, r->n_keys};
    call_head(c, 200);
    for (i = 0; i < r->n_keys; i++) {
        const struct key_ref k = group_key(r->keys[i].bytes, r->keys[i].n);
        struct result held = {.item = NULL};

        held.item = group_peek(sim_nodes[node].group, &k, &held.source);
        if (!held.item)
            error_set(&held.err, ERR_NOTFOUND, "not held here");
        sim_counts->handed += held.item != NULL;
        answer_frame(b, i, &held);
        item_unref(held.item);
    }
}

/* --- changes --- */

/* What a node that leaves hands over. */
static void keep_handed(struct group *g, const struct batch_request *r)
{
    size_t at = 0, n;
    struct batch_answer a;
    struct error e;
    long frame;

    for (n = r->value_len; n; n -= (size_t)frame, at += (size_t)frame) {
        frame = batch_get_answer(r->value + at, n, n, &a, &e);
        if (frame <= 0)
            sim_broken("a value that was handed over cannot be read: %s", e.msg);
        if (a.value && a.index < r->n_keys) {
            const struct key *key = &r->keys[a.index];
            const struct key_ref k = group_key(key->bytes, key->n);
            const struct group_handed v = {.bytes = a.value,
                                           .n = a.value_len,
                                           .has_ttl = a.has_ttl,
                                           .ttl_ms = a.ttl_ms,
                                           .age_s = a.age_s};

            sim_counts->given += (uint64_t)group_hand_keep(g, &k, &v);
        }
    }
}

static void change(int node, struct call *c, const struct batch_request *r, int differs)
{
    struct group *g = sim_nodes[node].group;
    struct key_ref k;
    struct error e = {.code = ERR_OK};
    double ttl_ms = (double)r->ttl_ms;
    size_t i;

    if (r->op == BATCH_FLUSH) {
        group_flush(g);
    } else if (r->op == BATCH_HAND) {
        keep_handed(g, r);
    } else if (r->op == BATCH_SET) {
        k = group_key(r->keys[0].bytes, r->keys[0].n);
        if (r->has_until && until_is_past(r->until, until_clock_of(node))) {
            call_head(c, dialect_status(DIALECT_GOLANG, ERR_TIMEOUT));
            call_header(c, HEADER_CODE, err_name(ERR_TIMEOUT));
            put_number(c, HEADER_CLOCK, until_clock_of(node));
            call_end(c);
            return;
        }
        group_set(g, &k, r->value, r->value_len, r->has_ttl ? &ttl_ms : NULL, &e);
    } else {
        for (i = 0; i < r->n_keys; i++) {
            k = group_key(r->keys[i].bytes, r->keys[i].n);
            group_remove(g, &k);
        }
    }
    sim_say("node %d has done the change of node %d", node, call_from(c));
    call_head(c, e.code ? dialect_status(DIALECT_GOLANG, e.code) : 200);
    if (e.code)
        call_header(c, HEADER_CODE, err_name(e.code));
    else
        put_ring(node, c, differs);
    call_end(c);
}

void serve(int node, struct call *c)
{
    const char *path = call_path(c) + strlen(BASE);
    struct dialect_target t;
    struct batch_request r;
    struct error e;
    char scratch[256];
    const char *body;
    size_t n;
    int differs = compare(node, c);

    if (!asked_all.next)
        list_init(&asked_all);
    if (!*path) {
        call_head(c, 200);
        call_end(c);
    } else if (!strcmp(call_method(c), "POST")) {
        body = call_body(c, &n);
        if (batch_parse(body, n, &r, &e))
            sim_broken("a batch of node %d cannot be read: %s", call_from(c), e.msg);
        if (r.op == BATCH_GET)
            get_batch(node, c, &r);
        else if (r.op == BATCH_HELD)
            get_held(node, c, &r);
        else
            change(node, c, &r, differs);
        batch_request_deinit(&r);
    } else {
        if (dialect_parse(DIALECT_GOLANG, path, strlen(path), scratch, &t) != DIALECT_OK)
            sim_broken("a path of node %d cannot be read: %s", call_from(c), path);
        get(node, c, NULL, 0, t.key, t.key_len);
    }
}

void serve_crash(int node)
{
    struct list *l, *next;

    if (!asked_all.next)
        return;
    list_each_safe (l, next, &asked_all) {
        struct asked *a = list_entry(l, struct asked, link);

        if (a->node != node || !a->call)
            continue;
        if (a->batch && --a->batch->left == 0) {
            call_end(a->call);
            free(a->batch);
        } else if (!a->batch) {
            call_end(a->call);
        }
        a->call = NULL;
    }
}
