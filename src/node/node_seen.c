/* SPDX-License-Identifier: MIT */
#include "node/node_seen.h"

#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json_out.h"
#include "base/mem.h"
#include "cache/group_seen.h"
#include "cache/groups.h"
#include "node/group_peers.h"
#include "peer/peers.h"

static void put_key(struct json_out *o, const char *key, size_t len, size_t kept)
{
    json_out_bytes(o, "key", key, len < kept ? len : kept, JSON_OUT_BYTES);
    if (len > kept)
        json_out_number(o, "key_bytes", len);
}

/* A load may have ended after now_ms was read. */
static void put_ago(struct json_out *o, uint64_t at_ms, uint64_t now_ms)
{
    json_out_number(o, "ago_ms", now_ms > at_ms ? now_ms - at_ms : 0);
}

static void put_popular(struct json_out *o, const struct group_seen *s)
{
    struct json_out list, in;
    size_t i;

    json_out_open(o, "popular", &list, '[');
    for (i = 0; i < s->n_popular; i++) {
        const struct popular_key *k = &s->popular[i];

        json_out_open(&list, NULL, &in, '{');
        put_key(&in, k->key, k->key_len, sizeof(k->key));
        json_out_number(&in, "gets_a_minute", (uint64_t)(s->rates[i] + 0.5));
        json_out_close(&in);
    }
    json_out_close(&list);
}

static void put_slow(struct json_out *o, const struct group_seen *s, uint64_t now_ms)
{
    struct json_out list, in;
    size_t i;

    json_out_open(o, "slow", &list, '[');
    for (i = 0; i < s->n_slow; i++) {
        const struct recent_load *l = &s->slow[i];

        json_out_open(&list, NULL, &in, '{');
        put_key(&in, l->key, l->key_len, sizeof(l->key));
        json_out_number(&in, "took_us", l->took_us);
        put_ago(&in, l->at_ms, now_ms);
        json_out_close(&in);
    }
    json_out_close(&list);
}

static void put_failed(struct json_out *o, const struct group_seen *s, uint64_t now_ms)
{
    struct json_out list, in;
    size_t i;

    json_out_open(o, "failed", &list, '[');
    for (i = 0; i < s->n_failed; i++) {
        const struct recent_load *l = &s->failed[i];

        json_out_open(&list, NULL, &in, '{');
        put_key(&in, l->key, l->key_len, sizeof(l->key));
        json_out_number(&in, "count", l->n);
        json_out_text(&in, "source", l->source);
        json_out_text(&in, "code", err_name(l->code));
        json_out_text(&in, "error", l->text);
        put_ago(&in, l->at_ms, now_ms);
        json_out_close(&in);
    }
    json_out_close(&list);
}

static void put_group(void *arg, struct group *g)
{
    const uint64_t now_ms = clock_ms();
    struct json_out in;
    struct group_seen *s = mem_zalloc(sizeof(*s)); /* large for a stack */

    group_seen(g, now_ms, s);
    json_out_open(arg, group_name(g), &in, '{');
    put_popular(&in, s);
    put_slow(&in, s, now_ms);
    put_failed(&in, s, now_ms);
    json_out_close(&in);
    mem_free(s);
}

void node_seen_put_recent(const struct node_view *v, struct buf *out)
{
    struct json_out o, groups;

    json_out_begin(&o, out, '{');
    json_out_open(&o, "groups", &groups, '{');
    groups_each(v->groups, put_group, &groups);
    json_out_close(&groups);
    json_out_close(&o);
    buf_puts(out, "\n");
}

static void put_owners(struct json_out *o, const struct node_view *v, struct group *g,
                       const struct key_ref *k)
{
    struct peers *peers = group_peers_of_group(g);
    int local = group_opts(g).local_only != 0;
    char *owner = local ? NULL : peers_owner_url(peers, k->bytes, k->n, 0);
    char *used = local ? NULL : peers_owner_url(peers, k->bytes, k->n, 1);

    json_out_text(o, "owner", owner ? owner : v->self);
    json_out_text(o, "asked", used ? used : v->self);
    json_out_bool(o, "alone", !owner); /* there is no ring */
    mem_free(owner);
    mem_free(used);
}

static void put_held(struct json_out *o, struct group *g, const struct key_ref *k)
{
    struct group_seen_key s;

    group_seen_key(g, k, clock_ms(), &s);
    if (s.held) {
        json_out_text(o, "held", s.held);
        json_out_number(o, "value_bytes", s.value_bytes);
        json_out_number(o, "cost_bytes", s.cost_bytes);
        json_out_number(o, "age_s", s.age_s);
        if (s.expires_in_ms)
            json_out_number(o, "expires_in_ms", s.expires_in_ms);
    }
    json_out_bool(o, "loading", s.loading);
    json_out_number(o, "waiters", s.waiters);
}

void node_seen_put_key(const struct node_view *v, const char *group, size_t group_len,
                       const char *key, size_t key_len, struct buf *out)
{
    struct group *g = groups_find(v->groups, group, group_len);
    const struct key_ref k = group_key(key, key_len);
    struct json_out o;

    json_out_begin(&o, out, '{');
    json_out_text(&o, "node", v->self);
    json_out_bytes(&o, "group", group, group_len, JSON_OUT_BYTES);
    json_out_bytes(&o, "key", key, key_len, JSON_OUT_BYTES);
    json_out_bool(&o, "known", g != NULL);
    if (g) {
        put_owners(&o, v, g, &k);
        put_held(&o, g, &k);
    }
    group_unref(g);
    json_out_close(&o);
    buf_puts(out, "\n");
}
