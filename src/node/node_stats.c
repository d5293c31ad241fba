/* SPDX-License-Identifier: MIT */
#include "node/node_stats.h"

#include <unistd.h>

#include "base/buf.h"
#include "base/json_out.h"
#include "cache/group.h"
#include "cache/groups.h"
#include "change/change.h"
#include "node/control.h"
#include "node/group_peers.h"
#include "node/workers.h"
#include "peer/peers.h"
#include "script/background.h"

#ifndef GROUPCACHE_VERSION
#define GROUPCACHE_VERSION "unknown"
#endif

static void put_lru(struct json_out *o, const char *name, const struct lru_stats *s)
{
    struct json_out in;

    json_out_open(o, name, &in, '{');
    json_out_number(&in, "bytes", s->bytes);
    json_out_number(&in, "items", s->items);
    json_out_number(&in, "gets", s->gets);
    json_out_number(&in, "hits", s->hits);
    json_out_number(&in, "evictions", s->evictions);
    json_out_close(&in);
}

static void put_peer(void *arg, const struct peer_stats *s)
{
    struct json_out in;

    json_out_open(arg, NULL, &in, '{');
    json_out_text(&in, "url", s->url);
    json_out_bool(&in, "self", s->self);
    json_out_number(&in, "loads", s->loads);
    json_out_number(&in, "errors", s->errors);
    json_out_number(&in, "batches", s->batches);
    json_out_bool(&in, "ours", s->ours);
    json_out_text(&in, "state", s->state);
    json_out_number(&in, "ejections", s->ejections);
    json_out_number(&in, "hedges", s->hedges);
    json_out_text(&in, "view", s->view);
    if (*s->differs)
        json_out_text(&in, "differs", s->differs);
    json_out_close(&in);
}

static void put_peers(struct json_out *o, struct peers *peers)
{
    struct json_out list;

    json_out_open(o, "peers", &list, '[');
    peers_each(peers, put_peer, &list);
    json_out_close(&list);
}

static void put_group(void *arg, struct group *g)
{
    struct json_out in;
    struct peers *own = group_peers_own(group_ctx(g));
    struct stats s;

    group_stats(g, &s);
    json_out_open(arg, group_name(g), &in, '{');
#define X(name, meaning) json_out_number(&in, #name, s.name);
    STATS_COUNTERS(X)
#undef X
    json_out_number(&in, "flights", s.flights);
    json_out_number(&in, "waiters", s.waiters);
    json_out_number(&in, "remembered_items", s.remembered_items);
    json_out_number(&in, "remembered_bytes", s.remembered_bytes);
    json_out_number(&in, "flushed_bytes", s.flushed_bytes);
    json_out_number(&in, "cache_bytes", group_opts(g).cache_bytes);
    if (own)
        put_peers(&in, own);
    put_lru(&in, "main", &s.main);
    put_lru(&in, "hot", &s.hot);
    json_out_close(&in);
}

static void put_workers(struct json_out *o, struct workers *w)
{
    struct json_out in;
    struct workers_stats s;

    workers_stats(w, &s);
    json_out_open(o, "workers", &in, '{');
    json_out_number(&in, "vms", s.n);
    json_out_number(&in, "loads", s.loads);
    json_out_number(&in, "queued", s.queued);
    json_out_number(&in, "retiring", s.retiring);
    json_out_number(&in, "stuck", s.stuck);
    json_out_number(&in, "replaced", s.replaced);
    json_out_close(&in);
}

static void put_http(struct json_out *o, const struct server_stats *s)
{
    struct json_out in;

    json_out_open(o, "http", &in, '{');
    json_out_number(&in, "connections", s->connections);
    json_out_number(&in, "active", s->active);
    json_out_number(&in, "parked", s->parked);
    json_out_number(&in, "body_bytes", s->body_bytes);
    json_out_number(&in, "held_bytes", s->held_bytes);
#define X(name, meaning) json_out_number(&in, #name, s->name);
    TALLY_COUNTERS(X)
#undef X
    json_out_close(&in);
}

static void put_background(void *arg, const struct background_stats *s)
{
    struct json_out in;

    json_out_open(arg, s->name, &in, '{');
    json_out_bool(&in, "repeats", s->repeats);
    json_out_number(&in, "runs", s->runs);
    json_out_number(&in, "errors", s->errors);
    if (s->last_error)
        json_out_text(&in, "last_error", s->last_error);
    json_out_bool(&in, "running", s->running);
    json_out_number(&in, "running_ms", s->running_ms);
    json_out_close(&in);
}

static void put_control(struct json_out *o, struct control *c)
{
    struct json_out in, functions;

    json_out_open(o, "control", &in, '{');
    json_out_bool(&in, "stuck", control_stuck(c));
    json_out_open(&in, "background", &functions, '{');
    control_each(c, put_background, &functions);
    json_out_close(&functions);
    json_out_close(&in);
}

void node_stats_put(const struct node_view *v, struct buf *out)
{
    struct json_out o, groups;

    json_out_begin(&o, out, '{');
    json_out_text(&o, "version", GROUPCACHE_VERSION);
    json_out_number(&o, "pid", (uint64_t)getpid());
    json_out_number(&o, "uptime_ms", v->uptime_ms);
    json_out_text(&o, "self", v->self);
    put_workers(&o, v->workers);
    put_http(&o, &v->http);
    put_control(&o, v->control);
    put_peers(&o, v->peers);
    json_out_number(&o, "unconfirmed", changes_unconfirmed(v->changes));
    json_out_open(&o, "groups", &groups, '{');
    groups_each(v->groups, put_group, &groups);
    json_out_close(&groups);
    json_out_close(&o);
    buf_puts(out, "\n");
}
