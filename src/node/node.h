/* SPDX-License-Identifier: MIT */
/* node.h - owns everything that runs: groups, network thread, peers, worker VMs, servers.
 *
 * The thread that calls node_start() also calls all other functions, except node_stats(). A process
 * may have any number of nodes; nothing here is global. */
#ifndef NODE_H
#define NODE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "node/keeper.h"
#include "node/node_self.h"
#include "node/settings.h"

struct buf;
struct changes;
struct group;
struct node;
struct script;
struct worker;

struct node_opts {
    struct settings settings;
    int admin_moves;            /* admin_listen is a default and may move to any free port */
    int may_exit;               /* the process may be told to end when the node can do no more */
    struct node_self_opts self; /* how to find this node's URL, if the settings have no self */
    struct keeper_list list;
    struct script *script; /* run once in every worker VM; script_message() has the whole message of
                            * a failure */
};

/* Starts a node with the groups that the script has defined in the VM of `control`, a worker
 * without a thread. Copies the options; takes control, also on an error. The node serves when this
 * returns, and is ready when it waits for no background function. NULL: e says which setting is
 * wrong, which address is taken, or where the VMs differ. */
struct node *node_start(const struct node_opts *o, struct worker *control, struct error *e);

/* Whether node_start() could start it. Opens no port and starts no thread, so a taken port or a
 * peer that does not answer is not noticed. */
enum err node_check(const struct node_opts *o, struct vm *control, struct error *e);

/* Where it listens for clients and for operators, "host:port" or "unix:PATH". */
const char *node_address(const struct node *n);
const char *node_admin_address(const struct node *n);

/* Whether the default of admin_listen was taken, so that operators are served elsewhere. */
int node_admin_moved(const struct node *n);

/* Takes the groups, getters and background functions of another script, which has run in the VM of
 * `control`, and the peer list. Takes control as node_start() does. The old script's background
 * functions have ended before the new ones begin, unless one is stuck in C. Its farewells run
 * before, for two seconds at most. Groups of the same name keep their items; loads under way end on
 * the old VMs. On an error other than NOMEM nothing has changed. */
enum err node_reload(struct node *n, struct script *script, struct worker *control,
                     const struct keeper_list *list, struct error *e);

/* Any thread: who may replace its lists of peers, until node_stop(); and its own URL. */
struct keeper *node_keeper(struct node *n);

/* The spans that wait for the collector, or NULL. */
struct spans *node_spans(struct node *n);
const char *node_self(const struct node *n);

/* A reference to the group of that name, or NULL. */
struct group *node_group(struct node *n, const char *name, size_t name_len);

/* The changes of its groups, until node_stop(). That closes the groups first, and change_start()
 * does not use the changes of a closed group. */
struct changes *node_changes(struct node *n);
size_t node_max_key_bytes(const struct node *n);

/* Whether the process was told to end, since all workers were stuck for stuck_timeout_ms. */
int node_gave_up(const struct node *n);

/* Ends the node. The farewells of its script run first, for two seconds at most. It is not ready
 * for drain_delay_ms, then refuses new connections. Requests under way may end for
 * drain_timeout_ms, or until hurry(arg) says 1 (asked some times a second; NULL: never). Requests
 * that still wait then get CLOSED. Frees everything. */
void node_stop(struct node *n, int (*hurry)(void *arg), void *arg);

/* Any thread: appends /stats. */
void node_stats(struct node *n, struct buf *out);

#endif
