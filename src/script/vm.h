/* SPDX-License-Identifier: MIT */
/* vm.h - one Lua VM: a lua_State, its memory bound, what its script defined, and what the code that
 * runs in it needs: an inbox, timers, the task that runs.
 *
 * A VM is made and filled by the thread that calls vm_new() and vm_run_script(). A worker
 * (worker.h) gives it a thread; from then on, until that thread has ended, only that thread touches
 * the lua_State. Others post to the VM's inbox, whose descriptor wakes the thread.
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
struct cpu;
struct defs;
struct groups;
struct interrupt;
struct loop;
struct lua_State;
struct net;
struct node;
struct op;
struct spans;
struct task;
struct vm;

/* X(type, name): the settings of a node that its VMs are made with (node/settings.h). */
#define VM_SETTINGS(X)                                                                             \
    X(uint64_t, vm_bytes)      /* of the Lua heap; 0: 64 MiB */                                    \
    X(int, jit)                /* 1: compile; a getter that loops then cannot be stopped */        \
    X(uint64_t, max_key_bytes) /* of keys that getters ask for; not used here */

struct vm_opts {
    const char *name; /* of the thread, such as "lua-1" */
    const char *path; /* package.path and package.cpath; NULL: LuaJIT's own */
    const char *cpath;
    int control;                      /* 1: the VM that reads the script first: vm_settle() */
    int (*open)(struct lua_State *L); /* what require "groupcache.core" calls */
    const char *prelude;              /* a module that is required before the script, or NULL */
    struct net *net;                  /* borrowed; NULL: getters cannot fetch */
    struct groups *groups;            /* borrowed; NULL: getters cannot ask other groups */
    struct changes *changes;          /* borrowed; NULL if groups is: changes of other groups */
    struct spans *spans; /* borrowed: of exchanges of getters; NULL: nobody takes them */
    struct node *node;   /* borrowed: for the VM that keeps its lists of peers; NULL: no node */
#define X(type, name) type name;
    VM_SETTINGS(X)
#undef X
};

/* A VM with the standard libraries and the API, and no thread yet. NULL and e: no memory. */
struct vm *vm_new(const struct vm_opts *o, struct error *e);

/* No thread runs in it, and no op of it is under way. NULL is fine. */
void vm_free(struct vm *vm);

/* Runs the n bytes of a script; `path` is its name in messages. Its groups are in vm_defs();
 * the table it returns, if any, is kept for vm_push_settings(). INVAL with the error's message and
 * line. */
enum err vm_run_script(struct vm *vm, const char *path, const char *text, size_t n,
                       struct error *e);

/* Runs body(L) with `arg` as a light userdata, protected, as a part of the script that the VM has
 * run: it may define groups and background functions. INVAL with the error's message. `path` is the
 * script's, for messages. */
enum err vm_run_more(struct vm *vm, const char *path, int (*body)(struct lua_State *L), void *arg,
                     struct error *e);

/* The whole message of a failed vm_run_script() or vm_run_more() if a struct error was too short
 * for it, or NULL. The VM owns it. */
const char *vm_script_error(const struct vm *vm);

/* 1 while one of these two runs: only then may groups and background functions be defined. */
int vm_defining(const struct vm *vm);

/* 1: it keeps the background functions that the script defines. */
int vm_is_control(const struct vm *vm);

/* Gives a control VM the settings and the parts of the node, after its script has run. The other
 * options stay. No code may run in the VM. */
void vm_settle(struct vm *vm, const struct vm_opts *o);

/* Whether the script may ask for the JIT. A control VM that is not settled does not know yet. It
 * notes `refusal`: the script's error if the settings do not allow the JIT. */
int vm_wants_jit(struct vm *vm, const char *refusal);

/* The first refusal that was noted, or NULL. */
const char *vm_jit_refusal(const struct vm *vm);

/* What the script defined. */
struct defs *vm_defs(struct vm *vm);

/* Any thread: the running code is `grace_ms` past its deadline, and no hook has stopped it. */
int vm_stuck(const struct vm *vm, uint64_t now_ms, uint64_t grace_ms);

/* Any thread: from now on code that runs in the VM must end, and no task is resumed. */
void vm_quit(struct vm *vm);
int vm_quitting(const struct vm *vm);

/* Any thread: the number of ops under way. The VM is not freed before they end. */
unsigned vm_ops(const struct vm *vm);

/* --- for what runs inside a VM --- */

struct vm *vm_of(struct lua_State *L); /* never NULL in a state that vm_new() made */
struct lua_State *vm_state(struct vm *vm);
struct inbox *vm_inbox(struct vm *vm);
struct timers *vm_timers(struct vm *vm);
struct interrupt *vm_interrupt(struct vm *vm);
struct net *vm_net(struct vm *vm);
struct spans *vm_spans(struct vm *vm);
struct loop *vm_loop(const struct vm *vm);          /* NULL: it has no other loop */
void vm_set_loop(struct vm *vm, struct loop *loop); /* borrowed */
struct groups *vm_groups(struct vm *vm);
struct changes *vm_changes(struct vm *vm);
struct node *vm_node(struct vm *vm);
size_t vm_max_key_bytes(const struct vm *vm);
const char *vm_name(const struct vm *vm);

/* The task whose coroutine is running, or NULL (the script itself, another VM's). */
struct task *vm_current(struct vm *vm);

/* Code of the task runs; NULL: of no task. It may run until deadline_ms, and the hook is called at
 * look_ms. */
void vm_set_current(struct vm *vm, struct task *t, uint64_t deadline_ms, uint64_t look_ms);

/* Until this time, code of the script may run outside of any task: a finalizer, another loop. 0:
 * such code has ended. */
void vm_watch_until(struct vm *vm, uint64_t deadline_ms);

/* Any thread: counts for vm_ops(). */
void vm_op_begins(struct vm *vm);
void vm_op_ends(struct vm *vm);

/* The VM's tasks, those that wait included. */
struct list *vm_tasks(struct vm *vm);

/* The strands that were set aside, longest first: strand.aside. */
struct list *vm_aside(struct vm *vm);

struct cpu *vm_cpu(struct vm *vm);

/* Collects garbage when less than `bytes` and a quarter of the heap would be left, unless too
 * little can have become garbage since the last time. LuaJIT does not collect by itself when the
 * allocator refuses. */
void vm_make_room(struct vm *vm, size_t bytes);

/* From now on forget(L) is called before garbage is collected for want of room: it drops values of
 * the heap that can be made anew. It may not raise, nor need more than 5 places on the stack. */
void vm_on_short(struct vm *vm, void (*forget)(struct lua_State *L));

/* Whether such values may take so many bytes more: the heap is then below a quarter of its bound.
 * LuaJIT lets a heap double before it collects, so code of the script keeps the rest of it. */
int vm_may_keep(const struct vm *vm, size_t bytes);

/* A value of the VM has so many bytes outside of the heap, which LuaJIT does not see, or has them
 * no longer. Garbage is collected before that of such values may be more than the bound of the
 * heap. vm_add_outside() comes before the value has the bytes. Neither raises. */
void vm_add_outside(struct vm *vm, size_t bytes);
void vm_sub_outside(struct vm *vm, size_t bytes);

/* The bound of the heap. */
uint64_t vm_most_bytes(const struct vm *vm);

/* Collects all garbage if an allocation was refused, even if the script caught the error. again:
 * the next call does so too, since the code around this call may still hold the memory. */
void vm_recover(struct vm *vm, int again);

/* Pushes the table that the script returned, or nil, in the VM's own state. */
void vm_push_settings(struct vm *vm);

#endif
