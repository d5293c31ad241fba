/* SPDX-License-Identifier: MIT */
/* vm.h - one Lua VM: a lua_State, its memory bound, and the thread that drives it.
 *
 * A VM is made and filled by the thread that calls vm_new() and vm_run_script(); from vm_start()
 * until its thread has ended, only that thread touches the lua_State. Others post to its inbox,
 * whose descriptor wakes the thread. A load runs as a coroutine (task.h), so one that waits does
 * not hold up the rest.
 *
 * Functions that take a lua_State may raise; the others always return. */
#ifndef VM_H
#define VM_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/inbox.h"
#include "base/list.h"
#include "base/timers.h"

struct changes;
struct defs;
struct flight;
struct groups;
struct interrupt;
struct loop;
struct lua_State;
struct net;
struct op;
struct task;
struct vm;

/* What a VM that is no longer wanted does. */
enum vm_end {
    VM_GOES_ON,
    VM_RETIRES,  /* ends what it has, then its thread */
    VM_QUITS,    /* ends its loads with CLOSED, then its thread */
    VM_ABANDONED /* was stuck in C: the same, as soon as it comes out */
};

struct vm_opts {
    const char *name; /* of the thread, such as "lua-1" */
    const char *path; /* package.path and package.cpath; NULL: LuaJIT's own */
    const char *cpath;
    size_t max_bytes;                 /* of the Lua heap; 0: 64 MiB */
    int jit;                          /* 1: compile; a getter that loops then cannot be stopped */
    int control;                      /* 1: runs the script to learn what jit is to be */
    int (*open)(struct lua_State *L); /* what require "groupcache.core" calls */
    const char *prelude;              /* a module that is required before the script; NULL: none */
    struct net *net;                  /* borrowed; NULL: getters cannot fetch */
    struct groups *groups;            /* borrowed; NULL: getters cannot ask other groups */
    struct changes *changes;          /* borrowed, NULL like groups: how they change them */
    size_t max_key_bytes;             /* of what they ask for; not looked at here */

    /* Any thread: finds another VM for a load that an abandoned one had not begun. Takes the
     * loader's reference. */
    void (*redirect)(void *ctx, struct flight *f);
    void *ctx;
};

/* A VM with the standard libraries and the API, and no thread yet. NULL and e: no memory. */
struct vm *vm_new(const struct vm_opts *o, struct error *e);

/* The thread has ended (vm_stop() or vm_join() said 1) or was never started. NULL is fine. */
void vm_free(struct vm *vm);

/* Runs the n bytes of a script; `path` is its name in messages. What it defines is in vm_defs();
 * the table it returns, if any, is kept for vm_push_settings(). INVAL with the message and line of
 * whatever went wrong. */
enum err vm_run_script(struct vm *vm, const char *path, const char *text, size_t n,
                       struct error *e);

/* Has the event loop of that name (loop.h) run in the VM too. After the script, which may have set
 * package.path. INVAL: what it takes is not there. */
enum err vm_open_loop(struct vm *vm, const char *name, struct error *e);

/* 1 while vm_run_script() runs: only then may groups be defined. */
int vm_defining(const struct vm *vm);

/* The script asks for the JIT, and is to be refused with `refusal` when the settings do not. 0, and
 * nothing is noted, unless the VM is a control VM: elsewhere they are known. */
int vm_wants_jit(struct vm *vm, const char *refusal);

/* The first refusal that was noted, or NULL. */
const char *vm_jit_refusal(const struct vm *vm);

/* What the script defined. */
struct defs *vm_defs(struct vm *vm);

/* Starts the thread. */
enum err vm_start(struct vm *vm, struct error *e);

/* Ends every load under way with CLOSED and then the thread. 1 when the thread has ended, or there
 * is none. 0 when a getter is stuck in a C function and does not come out by until_ms (clock_ms()
 * time): the VM must not be freed, and whatever it borrows must stay. */
int vm_stop(struct vm *vm, uint64_t until_ms);

/* The first half of vm_stop(): tells it to end, and returns at once. */
void vm_quit(struct vm *vm);

/* Ends the thread once the loads it has have ended; no new one may come. Returns at once. */
void vm_retire(struct vm *vm);

/* The VM is stuck in C: hands the loads it has not begun to `redirect` and lets the thread end when
 * it comes out. Returns at once; no new load may come. */
void vm_abandon(struct vm *vm);

/* 1 when the thread of a retired or abandoned VM has ended, and all that it began elsewhere, so
 * that it may be freed. */
int vm_join(struct vm *vm);

/* Any thread: what runs is `grace_ms` past its deadline, and no hook has stopped it. */
int vm_stuck(const struct vm *vm, uint64_t now_ms, uint64_t grace_ms);

/* Any thread: what computes in the VM must end. */
int vm_quitting(const struct vm *vm);

/* Any thread: runs the flight's getter. Takes the loader's reference to f, unless the VM has ended:
 * then it returns 0. */
int vm_load(struct vm *vm, struct flight *f);

/* Any thread: loads handed to this VM and not yet ended. */
unsigned vm_busy(const struct vm *vm);

/* --- for what runs inside a VM --- */

struct vm *vm_of(struct lua_State *L); /* never NULL in a state that vm_new() made */
struct lua_State *vm_state(struct vm *vm);
struct inbox *vm_inbox(struct vm *vm);
struct timers *vm_timers(struct vm *vm);
struct interrupt *vm_interrupt(struct vm *vm);
struct net *vm_net(struct vm *vm);
struct loop *vm_loop(const struct vm *vm); /* NULL: it has no other loop */
struct groups *vm_groups(struct vm *vm);
struct changes *vm_changes(struct vm *vm);
size_t vm_max_key_bytes(const struct vm *vm);
const char *vm_name(const struct vm *vm);

/* The task whose coroutine is running, or NULL (the script itself, another VM's). */
struct task *vm_current(struct vm *vm);
void vm_set_current(struct vm *vm, struct task *t, uint64_t deadline_ms);

/* From now on code of the script may run until then, outside of any task: a finalizer, another
 * loop; 0: no more. */
void vm_watch_until(struct vm *vm, uint64_t deadline_ms);

/* Ops whose work is under way somewhere: the VM is not freed before they end. Any thread. */
void vm_op_begins(struct vm *vm);
void vm_op_ends(struct vm *vm);

/* The VM's tasks, those that wait included. */
struct list *vm_tasks(struct vm *vm);
void vm_count_end(struct vm *vm); /* a load has ended */

/* Collects garbage when less than `bytes` and a quarter of the heap would be left. LuaJIT does not
 * do so by itself when the allocator refuses. */
void vm_make_room(struct vm *vm, size_t bytes);

/* Collects everything that can be if an allocation was refused, even if the script caught that.
 * again: the code around it may still hold what took the memory, so the next call is to do it too.
 */
void vm_recover(struct vm *vm, int again);

/* Pushes the table that the script returned, or nil, in the VM's own state. */
void vm_push_settings(struct vm *vm);

#endif
