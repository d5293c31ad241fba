/* SPDX-License-Identifier: MIT */
/* worker.h - a thread with a VM.
 *
 * A worker drives its VM: loads of the backlog, messages of the inbox, timers, ops that have ended,
 * another event loop (loop.h). A load runs as a coroutine (getter.h, task.h), so a load that waits
 * or that was set aside does not hold up the rest.
 *
 * A worker without a backlog takes no loads: a control worker. Its thread runs tasks of other
 * kinds, which begin with a message to the VM's inbox or with a timer.
 *
 * Nothing here raises. Until worker_start(), and after the thread has ended, the VM belongs to the
 * worker's maker. */
#ifndef WORKER_H
#define WORKER_H

#include <stdint.h>

#include "base/err.h"
#include "script/vm.h"

struct backlog;
struct msg;
struct worker;

struct worker_opts {
    struct vm_opts vm;       /* its name is the thread's too */
    struct backlog *backlog; /* borrowed; NULL: the worker takes no loads */
};

/* A worker with a VM (vm_new()), and no thread yet. NULL and e: no memory. */
struct worker *worker_new(const struct worker_opts *o, struct error *e);

/* Frees the VM too. The thread has ended (worker_stop() or worker_join() said 1) or was never
 * started. NULL is fine. */
void worker_free(struct worker *w);

struct vm *worker_vm(struct worker *w);
const char *worker_name(const struct worker *w);

/* Opens the event loop of that name (loop.h) in the VM; "plain": no other loop. To be called after
 * the script, which may have set package.path. INVAL: there is no such loop, or its library is
 * missing. */
enum err worker_open_loop(struct worker *w, const char *name, struct error *e);

/* What a control worker is told before its thread starts (vm_settle()). */
void worker_settle(struct worker *w, const struct vm_opts *o);

/* Starts the thread. */
enum err worker_start(struct worker *w, struct error *e);

/* From now on it takes loads of the backlog, until it is told to end. */
void worker_admit(struct worker *w);

/* Ends every task with CLOSED and then the thread. 1 when the thread has ended, or there is none. 0
 * when Lua code is stuck in a C function and does not come out by until_ms (clock_ms() time): the
 * worker must not be freed, and whatever it borrows must stay. */
int worker_stop(struct worker *w, uint64_t until_ms);

/* The first half of worker_stop(): tells it to end, and returns at once. */
void worker_quit(struct worker *w);

/* Takes no more loads, and ends the thread once its tasks have ended. Returns at once. */
void worker_retire(struct worker *w);

/* The worker is stuck in C: lets the thread end when it comes out. Returns at once. */
void worker_abandon(struct worker *w);

/* 1 when a retired or abandoned worker may be freed: its thread and all ops that it began have
 * ended. */
int worker_join(struct worker *w);

/* Any thread: 1 when no code runs in the VM any more. Ops that it began may still be under way. */
int worker_ended(const struct worker *w);

/* Any thread: the running code is `grace_ms` past its deadline, and no hook has stopped it. */
int worker_stuck(const struct worker *w, uint64_t now_ms, uint64_t grace_ms);

/* One thread: whether the worker's thread has turned since the last call, which is 0 the first
 * time. Wakes it. */
int worker_turned(struct worker *w);

/* Any thread: gives the thread a message, which counts for worker_busy() until worker_called(). 0:
 * the worker has ended, and the message is still the caller's. */
int worker_call(struct worker *w, struct msg *m);
void worker_called(struct worker *w);

/* Any thread: the loads and calls that it has begun and not ended. */
unsigned worker_busy(const struct worker *w);

#endif
