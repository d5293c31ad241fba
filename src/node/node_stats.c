/* SPDX-License-Identifier: MIT */
#include "node/node_stats.h"

#include <stdio.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/histogram.h"
#include "base/json_out.h"
#include "cache/group.h"
#include "cache/groups.h"
#include "cache/shared.h"
#include "node/control.h"
#include "node/figures.h"
#include "node/group_peers.h"
#include "node/keeper.h"
#include "node/workers.h"
#include "peer/peers.h"
#include "script/background.h"

#ifndef GROUPCACHE_VERSION
#define GROUPCACHE_VERSION "unknown"
#endif

static void put_times(struct json_out *o, const char *name, const struct histogram *h)
{
    struct json_out in;

    json_out_open(o, name, &in, '{');
    json_out_number(&in, "count", histogram_count(h));
    json_out_number(&in, "us", h->sum_ns / 1000);
    json_out_close(&in);
}

static void put_ratio(struct json_out *o, const char *name, uint64_t millionths)
{
    char text[32];
    int n = snprintf(text, sizeof(text), "%u.%06u", (unsigned)(millionths / 1000000),
                     (unsigned)(millionths % 1000000));

    json_out_raw(o, name, text, (size_t)n);
}

static void put_figure(struct json_out *o, const struct figure *f, const void *of)
{
    const char *text;

    switch (f->kind) {
    case FIGURE_TEXT:
        text = figures_text(f, of);
        if (text)
            json_out_text(o, f->name, text);
        break;
    case FIGURE_TIMES:
        put_times(o, f->name, figures_times(f, of));
        break;
    case FIGURE_FLAG:
        json_out_bool(o, f->name, figures_number(f, of) != 0);
        break;
    case FIGURE_RATIO:
        put_ratio(o, f->name, figures_number(f, of));
        break;
    default:
        json_out_number(o, f->name, figures_number(f, of));
    }
}

static void put_figures(struct json_out *o, const struct figures *list, const void *of)
{
    size_t i;

    for (i = 0; i < list->n; i++)
        if (list->list[i].name)
            put_figure(o, &list->list[i], of);
}

static void put_object(struct json_out *o, const char *name, const struct figures *list,
                       const void *of)
{
    struct json_out in;

    json_out_open(o, name, &in, '{');
    put_figures(&in, list, of);
    json_out_close(&in);
}

static void put_peer(void *arg, const struct peer_stats *s)
{
    put_object(arg, NULL, &figures_peer, s);
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
    put_figures(&in, &figures_group, &s);
    if (own)
        put_peers(&in, own);
    put_object(&in, "main", &figures_cache, &s.main);
    put_object(&in, "hot", &figures_cache, &s.hot);
    json_out_close(&in);
}

static void put_background(void *arg, const struct background_stats *s)
{
    put_object(arg, s->name, &figures_background, s);
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

static void put_shared(void *arg, struct shared *s)
{
    struct lru_stats stats;

    shared_stats(s, &stats);
    put_object(arg, shared_name(s), &figures_shared, &stats);
}

void node_stats_put(const struct node_view *v, struct buf *out)
{
    struct json_out o, groups, shared;
    struct figures_memory_stats memory;
    struct workers_stats workers;

    node_view_memory(v, &memory);
    node_view_workers(v, &workers);
    json_out_begin(&o, out, '{');
    json_out_text(&o, "version", GROUPCACHE_VERSION);
    json_out_number(&o, "pid", (uint64_t)getpid());
    json_out_text(&o, "self", v->self);
    put_figures(&o, &figures_whole, &v->whole);
    put_object(&o, "memory", &figures_memory, &memory);
    put_object(&o, "workers", &figures_workers, &workers);
    put_object(&o, "http", &figures_http, &v->http);
    put_control(&o, v->control);
    put_peers(&o, v->peers);
    json_out_raw(&o, "sources", NULL, 0);
    keeper_put(v->keeper, out);
    json_out_open(&o, "shared", &shared, '{');
    groups_each_shared(v->groups, put_shared, &shared);
    json_out_close(&shared);
    json_out_open(&o, "groups", &groups, '{');
    groups_each(v->groups, put_group, &groups);
    json_out_close(&groups);
    json_out_close(&o);
    buf_puts(out, "\n");
}
