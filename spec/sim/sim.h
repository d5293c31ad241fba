/* SPDX-License-Identifier: MIT */
/* sim.h - what the files of the simulator share.
 *
 * The simulator runs a cluster of 3 to 9 nodes in one thread. Each node is the real cache/, peer/,
 * change/ and wire/. A virtual clock stands in for base/clock (spec/virtual/), a virtual network
 * for net/ (net.c here has the functions of net.h and fetch.h), and serve.c for the HTTP server. So
 * there is no other time than that of the events, and a seed always gives the same run.
 *
 *   sim.c     the main loop, a run, the replay, the schedule made shorter
 *   events.c  the events, in the order of their times
 *   net.c     exchanges between nodes: delays, losses, cut links, crashed and stopped nodes
 *   serve.c   what a node answers to a peer
 *   node.c    a node: start, crash, its getter, its clients
 *   check.c   what must hold
 *   plan.c    what clients ask and which faults happen, by the seed and a number alone */
#ifndef SIM_H
#define SIM_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "cache/flight.h"
#include "cache/group.h"

enum {
    SIM_NODES = 9,
    SIM_KEYS = 12,
    SIM_EPOCH_STEPS = 100000, /* of one cluster: then a new one is made, with the next seed */
    SIM_TIMEOUT_MS = 2000,    /* of the group */
    SIM_STALE_MS = 4000       /* how long it keeps a value past its ttl, at most */
};

/* --- sim.c --- */

extern int sim_verbose;

/* What happened in all clusters together. */
#define SIM_COUNTS(X)                                                                              \
    X(gets)                                                                                        \
    X(values)                                                                                      \
    X(changes)                                                                                     \
    X(confirmed) X(loads) X(exchanges) X(faults) X(calm_loads) X(stand_ins) X(handed) X(given)
struct sim_counts {
#define X(name) uint64_t name;
    SIM_COUNTS(X)
#undef X
    uint64_t broken_step, broken_act; /* where a rule was broken */
};
extern struct sim_counts *sim_counts;

/* A rule was broken: says so, and ends the run. */
void sim_broken(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

/* A line of the run's story, with SIM_VERBOSE. */
void sim_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Runs the next event, and checks. 0: there is none. */
int sim_step(void);

/* A number from 0 to n - 1, by the seed and by two numbers of the caller alone. */
uint64_t sim_random(uint64_t a, uint64_t b, uint64_t n);

/* --- events.c --- */

struct event {
    uint64_t at_ms, order; /* the order among events of one time: random */
    size_t slot;           /* 0: not set */
    int node;              /* events of a stopped node wait; -1: of no node */
    void (*run)(struct event *ev);
};

/* Sets an event to run after ms. */
void events_set(struct event *ev, int node, uint64_t ms, void (*run)(struct event *ev));
void events_cancel(struct event *ev); /* fine if it is not set */

/* Moves the clock to the next event, and runs it. 0: there is none. */
int events_step(void);

/* --- net.c --- */

struct net;

enum link_state { LINK_OPEN, LINK_CUT /* bytes are lost */, LINK_REFUSES };

struct link {
    enum link_state state;
    uint64_t slow_ms; /* at most so much more, each way */
    unsigned loss;    /* of 1000 exchanges, how many lose their answer */
    unsigned cuts;    /* of 1000 exchanges, how many are cut behind the request */
};

extern struct link sim_links[SIM_NODES][SIM_NODES];

struct net *net_new(int node);
void net_close(struct net *n); /* every exchange ends with CLOSED */
void net_crashed(int node);    /* the exchanges of others with it are cut */
void net_free(struct net *n);

/* An exchange at the side that answers. */
struct call;

int call_from(const struct call *c);
const char *call_method(const struct call *c);
const char *call_path(const struct call *c); /* behind the host */
const char *call_body(const struct call *c, size_t *n);

/* A header of the request, in `out`; NULL: it has no such header. */
enum { CALL_TEXT = 300 };
const char *call_asked(const struct call *c, const char *name, char out[CALL_TEXT]);

/* The answer: the head, then pieces of the body, then the end. The call is the answering side's
 * until call_end(). */
void call_head(struct call *c, int status);
void call_header(struct call *c, const char *name, const char *value);
void call_begun(struct call *c); /* the head is sent now, before the end */
void call_put(struct call *c, const void *bytes, size_t n);
void call_end(struct call *c);

/* --- serve.c --- */

/* Answers a peer's request, now or later. */
void serve(int node, struct call *c);
void serve_crash(int node); /* its requests have no answers */

/* --- node.c --- */

struct node {
    int up, listed, stopped;
    int leaving;   /* it hands over what it holds, then it ends */
    unsigned life; /* how often it was started */
    struct group *group;
    struct groups *groups; /* has the group alone */
    struct net *net;
    struct peers *peers;
    struct changes *changes;
};

extern struct node sim_nodes[SIM_NODES];
extern int sim_n_nodes;

void node_url(char out[32], int i);
int node_of_url(const char *url); /* its host is that of a node */
void node_start(int i);
void node_crash(int i);
void node_leave(int i, uint64_t ms); /* it is in no list; after ms it hands over, and ends */
void node_set_list(int i, unsigned members); /* one bit a node */
void node_get(int i, int key);
/* op is an enum batch_op; n keys from `key` on: 1 for a set, 0 for a flush. Keys that are being
 * changed already are left out. */
void node_change(int i, int key, int n, int op);
void nodes_end(void); /* all nodes are stopped */

/* The group's key, and the number of a key. */
size_t node_key(char out[16], int key);
int node_key_number(const void *bytes, size_t n);

uint64_t sim_ttl_ms(void); /* of the group; 0: values do not expire */

/* --- check.c --- */

/* A value that a getter has read, or a set has put, is a version of the key. */
struct check_get {
    int node, key;
    unsigned life;
    uint64_t begun_ms, least; /* the version that may be given at least; 0: any */
};

void check_reset(void);
uint64_t check_origin(int key); /* the present version at the source */
int check_may_change(int key);  /* no change of it is under way */
uint64_t check_next(int key);   /* the source has a new version */
void check_source(int key);     /* the same, unless the key is being changed; nobody is told */
void check_fault(void);         /* something fails now, or has just failed */
void check_flush(uint64_t all[SIM_KEYS]); /* a flush begins: the versions of now */
void check_flushed(const uint64_t all[SIM_KEYS], int confirmed);
void check_changed(int key, uint64_t version, int confirmed, uint64_t begun_ms);
void check_get_begins(struct check_get *g, int node, int key);
void check_get_ends(const struct check_get *g, const struct result *r);
void check_load_begins(int node, const struct flight *f, int key);
void check_load_ends(int node, const struct flight *f, int key);
void check_step(void);
void check_end(void);

/* --- plan.c --- */

/* Makes the cluster, and begins. The acts whose numbers are marked in `dropped` are left out. */
void plan_start(const unsigned char *dropped, size_t n_dropped);
void plan_end(void);
uint64_t plan_acts(void); /* how many there were */
int sim_any_stopped(void);

#endif
