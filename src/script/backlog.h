/* SPDX-License-Identifier: MIT */
/* backlog.h - the loads that no worker has begun, and who takes the next one.
 *
 * Such a load belongs to no VM. A worker takes the next load when it is at its loop, so a VM whose
 * code computes or blocks takes none. A new load wakes a worker that sleeps, if there is one: it
 * takes a load before it does anything else. So no load waits while a worker sleeps. Workers that
 * are awake leave it a load, so that getters that wait are spread over the VMs.
 *
 * Workers take the oldest load first. When that one has waited for long, the VMs cannot keep up,
 * or getters that compute for long hold them. Then the newest load is first, since its callers
 * still have time, and the loads that wait are mostly of the kind that holds the VMs.
 *
 * Loads of a group whose getter takes several keys (max_keys) gather: the second joins the first as
 * its companion, and so on until they are max_keys. The worker that takes the first takes all of
 * them, so they count as one load for the rules above. The first is held back until its call may
 * begin (calls.h); no worker sees it until then.
 *
 * There is no thread and no Lua in here. Any thread may call. Lock order: the backlog's mutex, then
 * what wake() takes. */
#ifndef BACKLOG_H
#define BACKLOG_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"

struct backlog;
struct flight;

/* A worker, as its backlog sees it. Embedded; zero but for `wake` before the first call. */
struct taker {
    /* Ends the sleep of the worker. Called under the backlog's mutex. */
    void (*wake)(struct taker *t);

    atomic_uint begun; /* loads that the worker has begun and not ended; the worker counts them */
    struct list link;  /* in the backlog's sleepers; guarded by its mutex, like the rest */
    int admitted;
    int sleeps;
    int woken; /* it is to take a load */
};

struct backlog *backlog_new(void);

/* Before any load: alarm(ctx, at_ms) is called under the backlog's mutex when backlog_look() is to
 * be called at that clock_ms() time, a few ms later at most. A later call has the earlier time. */
void backlog_on_alarm(struct backlog *b, void (*alarm)(void *ctx, uint64_t at_ms), void *ctx);

/* Lets the loads that were held back until now go to workers. */
void backlog_look(struct backlog *b);

/* Must be closed. NULL is fine. */
void backlog_free(struct backlog *b);

/* Takes the loader's reference to f, unless the backlog is closed: then it returns 0. */
int backlog_put(struct backlog *b, struct flight *f);

/* The same of a list, flight.queued, which is empty afterwards. No worker takes one of them before
 * all are there. */
int backlog_put_all(struct backlog *b, struct list *flights);

/* From now on the worker takes loads, or takes none any more. */
void backlog_admit(struct backlog *b, struct taker *t);
void backlog_dismiss(struct backlog *b, struct taker *t);

/* The worker is awake: adds the next load and its companions to a list, flight.queued, with the
 * loader's references. It is to begin them all before its next turn. Returns 0 if there is no load
 * for it. */
int backlog_take(struct backlog *b, struct taker *t, struct list *flights);

/* The worker is about to sleep. 0: there is a load to take. 1: it may sleep, and wake() will be
 * called for the next load that it is to take. */
int backlog_rest(struct backlog *b, struct taker *t);

/* A load that a worker has taken has ended. To be called for those with flight.call. */
void backlog_ended(struct backlog *b, struct flight *f);

/* How many loads wait. */
size_t backlog_count(struct backlog *b);

/* Takes no more loads, and ends those that wait with CLOSED. */
void backlog_close(struct backlog *b);

#endif
