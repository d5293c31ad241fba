/* SPDX-License-Identifier: MIT */
/* workers.h - the worker VMs of a node: which is stuck, is replaced; their backlog.
 *
 * The script's text is kept, so that all VMs run the same text. Any thread may post loads. The
 * node's thread starts, reloads and stops; the node's watch thread watches. A mutex keeps the two
 * apart. */
#ifndef WORKERS_H
#define WORKERS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "script/vm.h"

struct buf;
struct defs;
struct flight;
struct msg;
struct script;
struct worker;
struct workers;
struct workers_next;

struct workers_opts {
    struct vm_opts vm; /* of each, but for its name */
    size_t n;          /* VMs */
    const char *loop;  /* an event loop in each VM, as in worker.h */
    const char *kind;  /* of its VMs, for their names: "lua" is lua-1, lua-2; static */
    int (*wanted)(const struct defs *ds); /* 0: a script with these needs no VM; NULL: it does */
};

/* What /stats says. */
struct workers_stats {
    size_t vms;        /* of the crew */
    unsigned loads;    /* under way in the crew */
    unsigned queued;   /* of these, no VM has begun so many */
    unsigned retiring; /* VMs of an earlier script that still have loads */
    unsigned stuck;    /* VMs that were abandoned and have not come out */
    unsigned replaced; /* VMs that were abandoned, ever */
};

/* Makes and starts the VMs. Each runs the script and must define the same groups as `control`. */
struct workers *workers_start(const struct workers_opts *o, struct vm *control,
                              struct script *script, struct error *e);

/* Whether workers_start() could make its VMs: makes one, and starts nothing. */
enum err workers_check(const struct workers_opts *o, struct vm *control, struct script *script,
                       struct error *e);

/* Makes a new crew from a script. NULL and e: script_message() has the whole message, as after the
 * functions above. */
struct workers_next *workers_next(struct workers *w, struct vm *control, struct script *script,
                                  struct error *e);

/* Lets it take over; the old VMs retire. Or drops it; NULL is fine. */
void workers_reload(struct workers *w, struct workers_next *next);
void workers_next_drop(struct workers_next *next);

/* Any thread: a VM that is free takes the load. Takes the loader's reference. */
void workers_load(struct workers *w, struct flight *f);

/* Any thread: the VM that has the least to do gets the message (worker_call()). *to is set before.
 * 0: no VM takes it. */
int workers_call(struct workers *w, struct msg *m, struct worker **to);

/* Between these two calls the thread's loads of groups with max_keys wait, and the VMs get them at
 * once. May be nested. */
void workers_hold(struct workers *w);
void workers_release(void);

/* Replaces stuck VMs, frees ended ones. To be called some times a second. */
void workers_watch(struct workers *w, uint64_t now_ms);

/* Since when every VM has been stuck and none could be replaced, as workers_watch() found; 0: it is
 * not so, or the crew has no VM. The thread of workers_watch(). */
uint64_t workers_helpless_since_ms(const struct workers *w);

/* One thread: whether some VM of the crew has turned since the last call, as worker_turned() says
 * it. */
int workers_turned(struct workers *w);

/* Any thread. */
void workers_stats(struct workers *w, struct workers_stats *out);

/* Ends all VMs. 1: all threads have ended. 0: a thread is stuck in C, and nothing that it borrows
 * may be freed. */
int workers_stop(struct workers *w);

/* After workers_stop() said 1. NULL is fine. */
void workers_free(struct workers *w);

#endif
