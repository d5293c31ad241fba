/* SPDX-License-Identifier: MIT */
/* node_metrics.c - all lines of a metric must stand together, over all groups. So the figures of
 * all things of a kind are copied first, each with its labels, and written metric by metric. */
#include "node/node_metrics.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/buf.h"
#include "base/histogram.h"
#include "base/json_out.h"
#include "base/url.h"
#include "base/utf8.h"
#include "cache/group.h"
#include "cache/groups.h"
#include "cache/shared.h"
#include "node/control.h"
#include "node/group_peers.h"
#include "node/workers.h"
#include "peer/peers.h"
#include "script/background.h"

#ifndef GROUPCACHE_VERSION
#define GROUPCACHE_VERSION "unknown"
#endif

/* Things of a kind: their structs, and their labels as C strings, one behind the other. */
struct things {
    const struct figures *figures;
    size_t size;
    struct buf structs, labels;
};

static void things_init(struct things *t, const struct figures *figures, size_t size)
{
    t->figures = figures;
    t->size = size;
    buf_init(&t->structs, 0);
    buf_init(&t->labels, 0);
}

static void things_deinit(struct things *t)
{
    buf_deinit(&t->structs);
    buf_deinit(&t->labels);
}

/* --- labels --- */

/* The bytes of one character of UTF-8; 0: it is none. */
static size_t char_bytes(const char *s, size_t n)
{
    size_t i;

    for (i = 1; i <= 4 && i <= n; i++)
        if (utf8_valid(s, i))
            return i;
    return 0;
}

static void put_label(struct buf *out, const char *name, const char *value)
{
    size_t n = strlen(value), i, wide;

    buf_putf(out, "%s%s=\"", out->len && out->data[out->len - 1] ? "," : "", name);
    for (i = 0; i < n; i += wide ? wide : 1) {
        unsigned char c = (unsigned char)value[i];

        wide = char_bytes(value + i, n - i);
        if (c == '"' || c == '\\')
            buf_putf(out, "\\%c", c);
        else if (c == '\n')
            buf_puts(out, "\\n");
        else if (!wide || c < ' ' || c == 0x7f || c == '%')
            buf_putf(out, "%%%02X", c);
        else
            buf_put(out, value + i, wide);
    }
    buf_puts(out, "\"");
}

/* The labels of a thing are complete. */
static void add(struct things *t, const void *figures)
{
    buf_put(&t->labels, "", 1);
    buf_put(&t->structs, figures, t->size);
}

/* --- lines --- */

/* The last part of a line: a number, and the end of the line. n / 10^places with `places` digits
 * behind the point. */
static void put_decimal(struct buf *out, uint64_t n, unsigned places)
{
    char text[32], *at = text + sizeof(text);
    unsigned i;

    *--at = '\n';
    for (i = 0; i < places; i++, n /= 10)
        *--at = (char)('0' + n % 10);
    if (places)
        *--at = '.';
    do {
        *--at = (char)('0' + n % 10);
        n /= 10;
    } while (n);
    buf_put(out, at, (size_t)(text + sizeof(text) - at));
}

static void put_number(struct buf *out, uint64_t n)
{
    put_decimal(out, n, 0);
}

/* The lines of a metric with one ending, such as "_bucket" and le="0.1". A line is `front`, the
 * labels of a thing, `tail`, and a number. */
struct series {
    size_t front_len, tail_len;
    char front[120], tail[120];
};

/* `le` is a bound, or NULL. `bare`: the things have no labels. */
static void series_init(struct series *s, const struct figure *f, const char *end, const char *le,
                        int bare)
{
    const char *own = f->label ? f->label : "";
    int braces = !bare || *own || le;

    s->front_len = (size_t)snprintf(s->front, sizeof(s->front), "groupcache_%s%s%s", f->metric, end,
                                    braces ? "{" : "");
    s->tail_len =
        (size_t)snprintf(s->tail, sizeof(s->tail), "%s%s%s%s%s%s%s ", *own && !bare ? "," : "", own,
                         le && (*own || !bare) ? "," : "", le ? "le=\"" : "", le ? le : "",
                         le ? "\"" : "", braces ? "}" : "");
}

struct text {
    const char *bytes;
    size_t n;
};

static void put_start(struct buf *out, const struct series *s, const struct text *labels)
{
    buf_put(out, s->front, s->front_len);
    buf_put(out, labels->bytes, labels->n);
    buf_put(out, s->tail, s->tail_len);
}

/* The lines of a figure. */
struct lines {
    const struct figure *figure;
    struct series one, sum, count, buckets[HISTOGRAM_BUCKETS];
};

static void lines_init(struct lines *l, const struct figure *f, int bare)
{
    unsigned i;

    l->figure = f;
    if (f->kind != FIGURE_TIMES) {
        series_init(&l->one, f, f->kind == FIGURE_COUNTER ? "_total" : "", NULL, bare);
        return;
    }
    series_init(&l->sum, f, "_sum", NULL, bare);
    series_init(&l->count, f, "_count", NULL, bare);
    for (i = 0; i < HISTOGRAM_BUCKETS; i++)
        series_init(&l->buckets[i], f, "_bucket", histogram_bound_text(i), bare);
}

static void put_times(struct buf *out, const struct lines *l, const struct text *labels,
                      const struct histogram *h)
{
    uint64_t n = 0;
    unsigned i;

    for (i = 0; i < HISTOGRAM_BUCKETS; i++) {
        n += h->counts[i];
        put_start(out, &l->buckets[i], labels);
        put_number(out, n);
    }
    put_start(out, &l->sum, labels);
    put_decimal(out, h->sum_ns, 9);
    put_start(out, &l->count, labels);
    put_number(out, n);
}

static void put_lines(struct buf *out, const struct lines *l, const struct text *labels,
                      const void *of)
{
    const struct figure *f = l->figure;

    if (f->kind == FIGURE_TIMES) {
        put_times(out, l, labels, figures_times(f, of));
        return;
    }
    put_start(out, &l->one, labels);
    if (f->kind == FIGURE_RATIO)
        put_decimal(out, figures_number(f, of), 6);
    else
        put_number(out, figures_number(f, of));
}

static void put_head(struct buf *out, const struct figure *f)
{
    const char *type = f->kind == FIGURE_COUNTER ? "counter" : "gauge";
    const char *end = f->kind == FIGURE_COUNTER ? "_total" : "";

    if (f->kind == FIGURE_TIMES)
        type = "histogram";
    buf_putf(out, "# HELP groupcache_%s%s %s\n# TYPE groupcache_%s%s %s\n", f->metric, end, f->help,
             f->metric, end, type);
}

static void put_figure(struct buf *out, const struct figure *f, const struct things *t)
{
    struct text labels = {.bytes = t->labels.data};
    struct lines lines;
    size_t i;

    lines_init(&lines, f, !*labels.bytes);
    for (i = 0; i < t->structs.len; i += t->size) {
        labels.n = strlen(labels.bytes);
        put_lines(out, &lines, &labels, t->structs.data + i);
        labels.bytes += labels.n + 1;
    }
}

/* Ends the things, too. */
static void put_things(struct buf *out, struct things *t)
{
    const char *before = "";
    size_t i;

    if (t->structs.failed || t->labels.failed)
        out->failed = ERR_NOMEM;
    for (i = 0; i < t->figures->n && t->structs.len && !out->failed; i++) {
        const struct figure *f = &t->figures->list[i];

        if (!f->metric)
            continue;
        if (strcmp(f->metric, before) != 0)
            put_head(out, f);
        before = f->metric;
        put_figure(out, f, t);
    }
    things_deinit(t);
}

/* --- things --- */

static void put_one(struct buf *out, const struct figures *figures, const void *of, size_t size)
{
    struct things t;

    things_init(&t, figures, size);
    add(&t, of);
    put_things(out, &t);
}

static void add_background(void *arg, const struct background_stats *s)
{
    struct things *t = arg;

    put_label(&t->labels, "function", s->name);
    add(t, s);
}

static void add_shared(void *arg, struct shared *s)
{
    struct things *t = arg;
    struct lru_stats stats;

    shared_stats(s, &stats);
    put_label(&t->labels, "table", shared_name(s));
    add(t, &stats);
}

struct peers_of {
    struct things *things;
    const char *group; /* whose own peers they are; NULL: the node's */
};

static void add_peer(void *arg, const struct peer_stats *s)
{
    struct peers_of *of = arg;
    struct things *t = of->things;

    if (of->group)
        put_label(&t->labels, "group", of->group);
    put_label(&t->labels, "peer", s->url);
    add(t, s);
}

struct groups_of {
    struct things groups, caches, peers;
};

static void add_cache(struct things *t, const struct group *g, const char *type,
                      const struct lru_stats *s)
{
    put_label(&t->labels, "group", group_name(g));
    put_label(&t->labels, "type", type);
    add(t, s);
}

static void add_group(void *arg, struct group *g)
{
    struct groups_of *of = arg;
    struct peers_of own = {&of->peers, group_name(g)};
    struct peers *peers = group_peers_own(group_ctx(g));
    struct stats s;

    group_stats(g, &s);
    put_label(&of->groups.labels, "group", group_name(g));
    add(&of->groups, &s);
    add_cache(&of->caches, g, "main", &s.main);
    add_cache(&of->caches, g, "hot", &s.hot);
    if (peers)
        peers_each(peers, add_peer, &own);
}

static void put_groups(struct buf *out, const struct node_view *v)
{
    struct groups_of of;
    struct peers_of common = {&of.peers, NULL};

    things_init(&of.groups, &figures_group, sizeof(struct stats));
    things_init(&of.caches, &figures_cache, sizeof(struct lru_stats));
    things_init(&of.peers, &figures_peer, sizeof(struct peer_stats));
    peers_each(v->peers, add_peer, &common);
    groups_each(v->groups, add_group, &of);
    put_things(out, &of.groups);
    put_things(out, &of.caches);
    put_things(out, &of.peers);
}

/* --- the process, by the names that all programs use --- */

static uint64_t count_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    uint64_t n = 0;

    if (!dir)
        return 0;
    while (readdir(dir))
        n++;
    closedir(dir);
    return n > 3 ? n - 3 : 0; /* ".", "..", and the folder's own */
}

static void put_head_of(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_putf(out, "# HELP %s %s\n# TYPE %s %s\n%s ", name, help, name, type, name);
}

static void put_plain(struct buf *out, const char *name, const char *help, uint64_t n)
{
    put_head_of(out, name, "gauge", help);
    put_number(out, n);
}

static void put_process(struct buf *out, const struct node_view *v)
{
    struct rlimit fds = {.rlim_cur = 0};
    struct rusage used = {.ru_utime.tv_sec = 0};

    getrusage(RUSAGE_SELF, &used);
    getrlimit(RLIMIT_NOFILE, &fds);
    put_head_of(out, "process_cpu_seconds_total", "counter", "processor time of the process");
    put_decimal(out,
                (uint64_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000 +
                    (uint64_t)(used.ru_utime.tv_usec + used.ru_stime.tv_usec),
                6);
    put_head_of(out, "process_start_time_seconds", "gauge", "when the node was started");
    put_decimal(out, v->started_wall_ms, 3);
    put_plain(out, "process_resident_memory_bytes", "resident memory of the process",
              figures_resident_bytes());
    put_plain(out, "process_open_fds", "open descriptors of the process", count_fds());
    put_plain(out, "process_max_fds", "how many descriptors it may have", (uint64_t)fds.rlim_cur);
}

void node_metrics_put(const struct node_view *v, struct buf *out)
{
    struct figures_memory_stats memory;
    struct workers_stats workers;
    struct things functions, tables;

    node_view_memory(v, &memory);
    node_view_workers(v, &workers);
    buf_puts(out, "# HELP groupcache_build_info 1, with the version as a label\n"
                  "# TYPE groupcache_build_info gauge\n"
                  "groupcache_build_info{version=\"" GROUPCACHE_VERSION "\"} 1\n");
    put_one(out, &figures_whole, &v->whole, sizeof(v->whole));
    put_one(out, &figures_memory, &memory, sizeof(memory));
    put_one(out, &figures_workers, &workers, sizeof(workers));
    put_one(out, &figures_http, &v->http, sizeof(v->http));
    things_init(&functions, &figures_background, sizeof(struct background_stats));
    control_each(v->control, add_background, &functions);
    put_things(out, &functions);
    things_init(&tables, &figures_shared, sizeof(struct lru_stats));
    groups_each_shared(v->groups, add_shared, &tables);
    put_things(out, &tables);
    put_groups(out, v);
    put_process(out, v);
}

/* --- http_sd --- */

/* The port of a node's URL. The host has its brackets. */
static unsigned port_of(const char *url, const char **host, const char **end)
{
    enum url_scheme scheme = url_scheme(url, host);
    size_t n;

    *end = url_host(url, &n) + n;
    *end += **end == ']';
    if (**end == ':')
        return (unsigned)strtoul(*end + 1, NULL, 10);
    return scheme == URL_HTTPS ? 443 : 80;
}

struct targets {
    struct json_out *list;
    long far; /* from a node's port to its operators' port */
};

static void put_target(void *arg, const struct peer_stats *s)
{
    const struct targets *t = arg;
    const char *host, *end;
    long port = (long)port_of(s->url, &host, &end) + t->far;
    struct buf text;

    if (port < 1 || port > 65535)
        return;
    buf_init(&text, 0);
    buf_put(&text, host, (size_t)(end - host));
    buf_putf(&text, ":%ld", port);
    json_out_bytes(t->list, NULL, text.data, text.failed ? 0 : text.len, JSON_OUT_BYTES);
    buf_deinit(&text);
}

void node_metrics_put_targets(const struct node_view *v, struct buf *out)
{
    struct json_out all, one, list;
    struct targets t = {.list = &list};
    struct peer_stats self = {.url = v->self};
    const char *host, *end, *colon = strrchr(v->admin, ':');
    long admin = colon ? strtol(colon + 1, NULL, 10) : 0; /* none of a UNIX socket */

    json_out_begin(&all, out, '[');
    if (admin) {
        t.far = admin - (long)port_of(v->self, &host, &end);
        json_out_open(&all, NULL, &one, '{');
        json_out_open(&one, "targets", &list, '[');
        peers_each(v->peers, put_target, &t);
        if (!list.members) /* the node is alone */
            put_target(&t, &self);
        json_out_close(&list);
        json_out_close(&one);
    }
    json_out_close(&all);
    buf_puts(out, "\n");
}
