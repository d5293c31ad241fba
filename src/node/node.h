/* SPDX-License-Identifier: MIT */
/* node.h - owns everything that runs: groups, network thread, peers, worker VMs, servers.
 *
 * One thread, the one that calls node_start(), also calls the rest, but for node_stats(). Any
 * number of nodes may live in a process; nothing here is global. */
#ifndef NODE_H
#define NODE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "wire/dialect.h"

struct buf;
struct changes;
struct group;
struct lua_State;
struct node;
struct script;
struct vm;

/* Settings, complete and checked for type: lua/groupcache/config.lua has the defaults. */
struct node_opts {
    const char *listen;       /* "host:port" */
    const char *admin_listen; /* "host:port"; NULL or the same text as listen: one server for all */
    int admin_moves;          /* admin_listen is a default: any free port will do for it */
    const char *self;         /* this node's URL, byte for byte as in every node's list; NULL, when
                               * there are no peers: http:// and where it listens */
    const char *const *peers; /* URLs, self among them; n_peers == 0: alone */
    size_t n_peers;
    enum dialect dialect;
    const char *base_path;
    enum hash_kind hash; /* of the ring: one that the dialect has */
    uint64_t replicas;
    uint64_t max_key_bytes;
    uint64_t max_connections;
    uint64_t workers; /* Lua VMs */
    uint64_t http_threads;
    uint64_t connect_timeout_ms;
    uint64_t drain_delay_ms;   /* how long node_stop() is not ready before it refuses connections */
    uint64_t drain_timeout_ms; /* how long it then lets requests end */
    const char *access_log;    /* a path; "-": stdout; NULL: none */
    uint64_t vm_bytes;         /* of each VM's Lua heap */
    int jit;
    const char *loop; /* another event loop in each worker VM; NULL: none */

    const struct script *script; /* run once in every worker VM */
    const char *path;            /* package.path and package.cpath of the worker VMs */
    const char *cpath;
    int (*open)(struct lua_State *L); /* what require "groupcache.core" calls in them */
    const char *prelude;              /* a module that is required before the script */
};

/* Starts a node with the groups that `control`, a VM in which the script has run, has defined.
 * Copies the options, borrows control for the call. Serves when it returns. NULL and e says which
 * setting is wrong, what is taken, or where the VMs disagree. */
struct node *node_start(const struct node_opts *o, struct vm *control, struct error *e);

/* Whether node_start() could start it: opens no port and starts no thread. What another process has
 * is not looked at: a port that is taken, a node that does not answer. */
enum err node_check(const struct node_opts *o, struct vm *control, struct error *e);

/* Where it listens, "host:port". */
const char *node_address(const struct node *n);
const char *node_admin_address(const struct node *n);

/* Takes the groups and getters of another script, which has run in `control`, and the peer list.
 * Groups whose name stays keep what they hold; loads under way end on the old VMs. On an error
 * nothing has changed, but for NOMEM. */
enum err node_reload(struct node *n, const struct script *script, struct vm *control,
                     const char *const *peers, size_t n_peers, struct error *e);

/* Replaces the peer list, as peers_set() says. */
enum err node_set_peers(struct node *n, const char *const *peers, size_t n_peers, struct error *e);

/* Replaces a group's own list, until the next reload; urls as in group_peers.h. NOTFOUND: no such
 * group; else as peers_set() says. */
enum err node_set_group_peers(struct node *n, const char *group, const char *urls, struct error *e);

/* A reference to the group of that name, or NULL. */
struct group *node_group(struct node *n, const char *name, size_t name_len);

/* How its groups are changed. Until node_stop(), which closes them first: change_start() touches it
 * no more then. */
struct changes *node_changes(struct node *n);
size_t node_max_key_bytes(const struct node *n);

/* Ends the node: readiness off for drain_delay_ms, then no new connections, requests under way may
 * end for drain_timeout_ms or until hurry(arg) says 1 (asked some times a second; NULL: never),
 * then those that still wait get CLOSED. Frees everything. */
void node_stop(struct node *n, int (*hurry)(void *arg), void *arg);

/* Any thread: appends /stats. */
void node_stats(struct node *n, struct buf *out);

#endif
