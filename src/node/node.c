/* SPDX-License-Identifier: MIT */
/* node.c - start, reload, and the few lines that join the floors below.
 *
 * Start builds from the inside out: groups, network thread, peers, workers, servers. node_stop.c
 * goes the other way. */
#include "node/node.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/log_out.h"
#include "base/mem.h"
#include "base/notify.h"
#include "base/spans.h"
#include "base/spool.h"
#include "base/thread.h"
#include "cache/groups.h"
#include "change/change.h"
#include "http/server.h"
#include "net/net.h"
#include "node/control.h"
#include "node/group_peers.h"
#include "node/helpless.h"
#include "node/keeper.h"
#include "node/keyers.h"
#include "node/node_groups.h"
#include "node/node_in.h"
#include "node/node_keys.h"
#include "node/node_listen.h"
#include "node/node_servers.h"
#include "node/node_snapshot.h"
#include "node/watchdog.h"
#include "node/workers.h"
#include "peer/peers.h"
#include "script/defs.h"
#include "script/vm.h"
#include "script/worker.h"

enum { WATCH_MS = 100 };

/* --- callbacks of the floors below --- */

static void tick(void *ctx, uint64_t now_ms)
{
    struct node *n = ctx;

    mem_refill();
    groups_tick(n->groups, now_ms);
    changes_tick(n->changes, now_ms);
    node_servers_tick(&n->servers, now_ms);
}

void node_stats(struct node *n, struct buf *out)
{
    node_show(n, SERVER_VIEW_STATS, NULL, out);
}

/* --- start --- */

static enum err start_net(struct node *n, struct error *e)
{
    const struct net_opts o = {.tick = tick, .ctx = n};

    n->net = net_start(&o, e);
    if (!n->net)
        return e->code;
    if (n->keys.identity)
        net_show(n->net, n->keys.identity);
    return ERR_OK;
}

static enum err start_peers(struct node *n, const struct node_opts *o, struct error *e)
{
    struct peers_opts peers = n->settings.peers;

    peers.self = n->self;
    peers.auth = n->keys.auth;
    peers.joined = n->changes ? node_rings_joined : NULL; /* node_check() has none */
    peers.ctx = n;
    n->peers = peers_new(&peers, n->net);
    n->group_peers = group_peers_set_new(n->peers, n);
    n->keeper.peers = n->peers;
    return peers_check(n->peers, o->list.peers, o->list.n_peers, e);
}

/* The options of all VMs of the node. */
static struct vm_opts vm_opts_of(struct node *n)
{
    struct vm_opts o = n->settings.vm;

    o.net = n->net;
    o.groups = n->groups;
    o.changes = n->changes;
    o.spans = n->spans;
    o.node = n;
    return o;
}

static struct workers_opts workers_opts_of(struct node *n)
{
    const struct workers_opts o = {
        .vm = vm_opts_of(n), .n = n->settings.workers, .loop = n->settings.loop, .kind = "lua"};

    return o;
}

static enum err start_workers(struct node *n, const struct node_opts *o, struct vm *control,
                              struct error *e)
{
    const struct workers_opts workers = workers_opts_of(n);

    n->workers = workers_start(&workers, control, o->script, e);
    if (n->workers)
        n->keyers = keyers_start(&workers, n->settings.http_threads, control, o->script, e);
    return n->keyers ? ERR_OK : e->code;
}

/* Since when a crew has been helpless; 0: none is. */
static uint64_t helpless_since_ms(const struct node *n)
{
    uint64_t loads_ms = workers_helpless_since_ms(n->workers);
    uint64_t keys_ms = keyers_helpless_since_ms(n->keyers);

    return !loads_ms || (keys_ms && keys_ms < loads_ms) ? keys_ms : loads_ms;
}

static void *watch_main(void *arg)
{
    const struct timespec pause = {0, WATCH_MS * 1000000};
    struct node *n = arg;

    while (!atomic_load(&n->watched)) {
        workers_watch(n->workers, clock_ms());
        if (!atomic_load(&n->stopping))
            helpless_look(&n->helpless, helpless_since_ms(n), clock_ms());
        keyers_watch(n->keyers, clock_ms());
        log_out_tick();
        control_watch(n->control, clock_ms());
        nanosleep(&pause, NULL);
    }
    return NULL;
}

static enum err start_watch(struct node *n, struct error *e)
{
    if (thread_start(&n->watch, "watch", 0, watch_main, n, e))
        return e->code;
    n->watching = 1;
    return ERR_OK;
}

static struct node_listen_opts listen_opts_of(const struct node_opts *o)
{
    const struct settings *s = &o->settings;
    const struct node_listen_opts where = {s->listen, s->peer_listen, s->client_listen,
                                           s->admin_listen, o->admin_moves};

    return where;
}

/* The first step, so that a taken address is reported first and this node's own URL is known. Early
 * connections are served once the start has ended. */
static enum err listen_first(struct node *n, const struct node_opts *o, struct error *e)
{
    const struct node_listen_opts where = listen_opts_of(o);
    char self[NODE_SELF_BYTES];
    const char *address, *scheme;

    if (node_listen(&where, &n->servers.sockets, e))
        return e->code;
    address = node_listen_address(&n->servers.sockets, SERVER_PEERS);
    scheme = node_keys_of(&n->keys, SERVER_PEERS, address) ? "https" : "http";
    if (!n->settings.self && node_self_url(&o->self, scheme, address, self, e))
        return e->code;
    n->self = mem_strdup(n->settings.self ? n->settings.self : self);
    return ERR_OK;
}

static enum err open_access_log(struct node *n, struct error *e)
{
    const char *path = n->settings.access_log;

    n->access = path ? spool_open(path, e) : NULL;
    return path && !n->access ? e->code : ERR_OK;
}

enum err node_check(const struct node_opts *o, struct vm *control, struct error *e)
{
    const struct settings *s = &o->settings;
    struct node n = {.settings = *s, .self = mem_strdup(s->self ? s->self : "http://nowhere")};
    const struct node_listen_opts where = listen_opts_of(o);
    struct workers_opts w;
    enum err failed = node_listen_check(&where, e);

    if (!failed)
        failed = node_keys_check(s, e);
    if (!failed)
        failed = changes_check(&s->changes, e);
    if (!failed && s->access_log)
        failed = spool_check(s->access_log, e);
    if (!failed && s->snapshot_path)
        failed = node_snapshot_check(s->snapshot_path, e);
    if (!failed)
        failed = start_peers(&n, o, e);
    if (!failed)
        failed = node_groups_check(n.group_peers, vm_defs(control), e);
    w = workers_opts_of(&n);
    if (!failed)
        failed = workers_check(&w, control, o->script, e);
    group_peers_set_free(n.group_peers);
    peers_free(n.peers);
    mem_free(n.self);
    return failed;
}

static void put_peers(void *ctx, struct buf *out)
{
    struct node *n = ctx;

    keeper_list_put(&n->keeper, NULL, out);
}

static enum err open_snapshot(struct node *n, struct error *e)
{
    const struct node_snapshot_opts o = {
        .path = n->settings.snapshot_path,
        .dialect = dialect_name(n->settings.peers.dialect),
        .every_ms = n->settings.snapshot_every_ms,
        .max_age_ms = n->settings.snapshot_max_age_ms,
        .peers_of = group_peers_of_group,
        .put_peers = put_peers,
        .ctx = n,
    };

    n->snapshot = node_snapshot_open(&o, e);
    if (!n->snapshot)
        return e->code;
    n->loader = node_loader;
    node_snapshot_note_changes(n->snapshot, &n->loader);
    n->loader.spans = n->spans;
    return ERR_OK;
}

/* While the sockets listen and are not served: a change that comes now waits, and holds. A list
 * that has a source is not there yet; until it is, the last one counts. */
static enum err read_snapshot(struct node *n, const struct node_opts *o, const struct vm *control,
                              struct error *e)
{
    struct buf urls;

    buf_init(&urls, 0);
    if (o->list.source && node_snapshot_last_peers(n->snapshot, &urls) &&
        keeper_set(&n->keeper, control, NULL, urls.data, e))
        log_warn("snapshot", "the last list of peers is not taken", "error=\"%s\"", e->msg);
    buf_deinit(&urls);
    node_snapshot_read(n->snapshot, n->groups);
    return node_snapshot_start(n->snapshot, n->groups, e);
}

static void ask_key(void *ctx, struct keyask *a)
{
    keyers_ask(((struct node *)ctx)->keyers, a);
}

static enum err start_servers(struct node *n, struct error *e)
{
    struct server_opts o = n->settings.server;

    o.threads = (unsigned)n->settings.http_threads;
    o.groups = n->groups;
    o.changes = n->changes;
    o.access = n->access;
    o.not_ready = node_show_not_ready;
    o.compare = node_rings_compare;
    o.ring = node_rings_tell;
    o.stands_in = node_rings_stands_in;
    o.ask_key = ask_key;
    o.show = node_show;
    o.ctx = n;
    return node_servers_start(&n->servers, &o, &n->keys, e);
}

/* Also called by the control worker's thread, and again after a reload. */
static void be_ready(void *ctx)
{
    struct node *n = ctx;

    if (atomic_exchange(&n->ready, 1))
        return;
    log_info("node", "ready", "groups=%zu peers=%zu self=%s workers=%llu dialect=%s ms=%llu",
             n->n_groups, peers_count(n->peers), n->self, (unsigned long long)n->settings.workers,
             dialect_name(n->settings.peers.dialect),
             (unsigned long long)(clock_ms() - n->started_ms));
    notify_ready("ready: %zu groups, %zu peers, %s", n->n_groups, peers_count(n->peers), n->self);
}

/* The last step: background functions may use all of the node. Takes the worker. */
static enum err start_control(struct node *n, struct worker *control, struct error *e)
{
    const struct vm_opts o = vm_opts_of(n);

    node_servers_log(&n->servers);
    if (control_take_over(n->control, control, &o, e))
        return e->code;
    if (!atomic_load(&n->ready))
        log_info("node", "not ready before background functions have ended", "%s", "");
    return ERR_OK;
}

/* The groups, and the lists of peers with them. Under the lock no other list is set. */
static enum err set_groups_and_peers(struct node *n, const struct vm *control,
                                     const struct defs *ds, const struct keeper_list *list,
                                     struct error *e)
{
    enum err failed;

    keeper_lock(&n->keeper);
    failed = node_groups_set(n->groups, n->group_peers, &n->loader, ds, e);
    if (!failed)
        failed = keeper_take_over(&n->keeper, control, list, e);
    keeper_unlock(&n->keeper);
    return failed;
}

struct node *node_start(const struct node_opts *o, struct worker *control, struct error *e)
{
    struct node *n = mem_zalloc(sizeof(*n));
    struct vm *vm = worker_vm(control);

    mem_share_heap(); /* no thread of the node has its own heap yet */
    mem_refill();
    settings_copy(&n->settings, &o->settings);
    n->started_ms = clock_ms();
    n->started_wall_ms = clock_wall_ns() / 1000000;
    n->groups = groups_new();
    n->control = control_new(be_ready, n);
    n->spans = n->settings.trace_endpoint ? spans_new(n->settings.trace_sample) : NULL;
    keeper_init(&n->keeper, n->groups);
    n->n_groups = defs_count(vm_defs(vm));
    n->helpless.timeout_ms = n->settings.stuck_timeout_ms;
    n->helpless.may_exit = o->may_exit;
    n->changes = changes_new(&n->settings.changes, group_peers_of_group, e);
    if (!n->changes || node_keys_start(&n->keys, &n->settings, e) || listen_first(n, o, e) ||
        open_access_log(n, e) || open_snapshot(n, e) || start_net(n, e) || start_peers(n, o, e) ||
        set_groups_and_peers(n, vm, vm_defs(vm), &o->list, e) || start_workers(n, o, vm, e) ||
        start_watch(n, e) || read_snapshot(n, o, vm, e) || start_servers(n, e)) {
        worker_free(control);
        node_stop_free(n);
        return NULL;
    }
    if (watchdog_start(&n->servers, n->net, n->workers, &n->watchdog, e)) {
        worker_free(control);
        node_stop_free(n);
        return NULL;
    }
    if (start_control(n, control, e)) {
        node_stop_free(n);
        return NULL;
    }
    return n;
}

struct keeper *node_keeper(struct node *n)
{
    return &n->keeper;
}

struct spans *node_spans(struct node *n)
{
    return n->spans;
}

const char *node_self(const struct node *n)
{
    return n->self;
}

const char *node_address(const struct node *n)
{
    return node_listen_address(&n->servers.sockets, SERVER_CLIENTS);
}

const char *node_admin_address(const struct node *n)
{
    return node_listen_address(&n->servers.sockets, SERVER_ADMIN);
}

int node_admin_moved(const struct node *n)
{
    return n->servers.sockets.moved;
}

/* --- reload --- */

/* Both crews are made before either takes over: nothing has changed when one cannot be made. */
static enum err reload_vms(struct node *n, struct script *script, struct vm *control,
                           struct error *e)
{
    struct workers_next *keyers = keyers_next(n->keyers, control, script, e);
    struct workers_next *workers = keyers ? workers_next(n->workers, control, script, e) : NULL;

    if (!workers) {
        workers_next_drop(keyers);
        return e->code;
    }
    keyers_reload(n->keyers, keyers);
    workers_reload(n->workers, workers);
    return ERR_OK;
}

/* The new VMs take over before their groups are added, so a VM never gets a load of a group that it
 * does not know. Removed groups are closed while VMs that know them still run. */
static enum err reload_all_but_control(struct node *n, struct script *script, struct vm *control,
                                       const struct keeper_list *list, size_t *gone,
                                       struct error *e)
{
    const struct defs *ds = vm_defs(control);

    if (peers_check(n->peers, list->peers, list->n_peers, e) ||
        node_groups_check(n->group_peers, ds, e) || reload_vms(n, script, control, e))
        return e->code;
    *gone = node_groups_remove(n->groups, n->group_peers, ds);
    return set_groups_and_peers(n, control, ds, list, e);
}

enum err node_reload(struct node *n, struct script *script, struct worker *control,
                     const struct keeper_list *list, struct error *e)
{
    const struct vm_opts o = vm_opts_of(n);
    struct vm *vm = worker_vm(control);
    uint64_t began_ms = clock_ms();
    size_t gone = 0, n_groups = defs_count(vm_defs(vm));
    struct node_keys_next keys;

    if (node_keys_read(&n->settings, &keys, e) ||
        reload_all_but_control(n, script, vm, list, &gone, e)) {
        node_keys_drop(&keys);
        worker_free(control);
        return e->code;
    }
    node_keys_take(&n->keys, &keys);
    if (n->keys.identity)
        net_show(n->net, n->keys.identity);
    control_leave(n->control, NODE_FAREWELL_MS, NULL, NULL);
    if (control_take_over(n->control, control, &o, e))
        return e->code;
    log_info("node", "reloaded", "groups=%zu removed=%zu peers=%zu ms=%llu", n_groups, gone,
             peers_count(n->peers), (unsigned long long)(clock_ms() - began_ms));
    return ERR_OK;
}

struct group *node_group(struct node *n, const char *name, size_t name_len)
{
    return groups_find(n->groups, name, name_len);
}

struct changes *node_changes(struct node *n)
{
    return n->changes;
}

size_t node_max_key_bytes(const struct node *n)
{
    return (size_t)n->settings.server.max_key_bytes;
}

int node_gave_up(const struct node *n)
{
    return atomic_load(&n->helpless.gave_up);
}
