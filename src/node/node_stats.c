/* SPDX-License-Identifier: MIT */
#include "node/node_stats.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "cache/group.h"
#include "cache/groups.h"
#include "change/change.h"
#include "node/group_peers.h"
#include "node/workers.h"
#include "peer/peers.h"

#ifndef GROUPCACHE_VERSION
#define GROUPCACHE_VERSION "unknown"
#endif

/* A JSON object under way: a comma goes before every member but the first. */
struct object {
    struct buf *out;
    int members;
};

static void put_name(struct object *o, const char *name)
{
    if (o->members++)
        buf_puts(o->out, ",");
    buf_put_json(o->out, name, strlen(name));
    buf_puts(o->out, ":");
}

static void put_number(struct object *o, const char *name, uint64_t n)
{
    put_name(o, name);
    buf_putf(o->out, "%llu", (unsigned long long)n);
}

static void put_lru(struct object *o, const char *name, const struct lru_stats *s)
{
    struct object in = {o->out, 0};

    put_name(o, name);
    buf_puts(o->out, "{");
    put_number(&in, "bytes", s->bytes);
    put_number(&in, "items", s->items);
    put_number(&in, "gets", s->gets);
    put_number(&in, "hits", s->hits);
    put_number(&in, "evictions", s->evictions);
    buf_puts(o->out, "}");
}

static void put_peer(void *arg, const struct peer_stats *s)
{
    struct object *list = arg, in = {list->out, 0};

    if (list->members++)
        buf_puts(list->out, ",");
    buf_puts(list->out, "{");
    put_name(&in, "url");
    buf_put_json(list->out, s->url, strlen(s->url));
    put_name(&in, "self");
    buf_puts(list->out, s->self ? "true" : "false");
    put_number(&in, "loads", s->loads);
    put_number(&in, "errors", s->errors);
    put_number(&in, "batches", s->batches);
    put_name(&in, "ours");
    buf_puts(list->out, s->ours ? "true" : "false");
    buf_puts(list->out, "}");
}

static void put_peers(struct object *o, struct peers *peers)
{
    struct object list = {o->out, 0};

    put_name(o, "peers");
    buf_puts(o->out, "[");
    peers_each(peers, put_peer, &list);
    buf_puts(o->out, "]");
}

static void put_group(void *arg, struct group *g)
{
    struct object *o = arg, in = {o->out, 0};
    struct peers *own = group_peers_own(group_ctx(g));
    struct stats s;

    group_stats(g, &s);
    put_name(o, group_name(g));
    buf_puts(o->out, "{");
#define X(name, meaning) put_number(&in, #name, s.name);
    STATS_COUNTERS(X)
#undef X
    put_number(&in, "flights", s.flights);
    put_number(&in, "waiters", s.waiters);
    put_number(&in, "remembered_items", s.remembered_items);
    put_number(&in, "remembered_bytes", s.remembered_bytes);
    put_number(&in, "flushed_bytes", s.flushed_bytes);
    put_number(&in, "cache_bytes", group_opts(g).cache_bytes);
    if (own)
        put_peers(&in, own);
    put_lru(&in, "main", &s.main);
    put_lru(&in, "hot", &s.hot);
    buf_puts(o->out, "}");
}

static void put_workers(struct object *o, struct workers *w)
{
    struct object in = {o->out, 0};
    struct workers_stats s;

    workers_stats(w, &s);
    put_name(o, "workers");
    buf_puts(o->out, "{");
    put_number(&in, "vms", s.n);
    put_number(&in, "loads", s.loads);
    put_number(&in, "retiring", s.retiring);
    put_number(&in, "stuck", s.stuck);
    put_number(&in, "replaced", s.replaced);
    buf_puts(o->out, "}");
}

void node_stats_put(const struct node_view *v, struct buf *out)
{
    struct object o = {out, 0}, groups = {out, 0};

    buf_puts(out, "{");
    put_name(&o, "version");
    buf_put_json(out, GROUPCACHE_VERSION, strlen(GROUPCACHE_VERSION));
    put_number(&o, "pid", (uint64_t)getpid());
    put_number(&o, "uptime_ms", v->uptime_ms);
    put_name(&o, "self");
    buf_put_json(out, v->self, strlen(v->self));
    put_workers(&o, v->workers);
    put_peers(&o, v->peers);
    put_number(&o, "unconfirmed", changes_unconfirmed(v->changes));
    put_name(&o, "groups");
    buf_puts(out, "{");
    groups_each(v->groups, put_group, &groups);
    buf_puts(out, "}}\n");
}
