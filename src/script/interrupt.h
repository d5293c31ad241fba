/* SPDX-License-Identifier: MIT */
/* interrupt.h - how Lua code that runs too long is reached.
 *
 * What may stop it is a hook, and something has to call that. LuaJIT can count bytecodes and call
 * it at every so many: that works in any process, and is a third of the time of all Lua code. A
 * process that has a signal to give spares that: nothing is counted, and the handler of the signal
 * sets the hook, which the next bytecode calls. LuaJIT's own program ends a script at Ctrl-C in
 * the same way.
 *
 * Who sends it is a thread, "late", which does nothing else: it runs no script's code and waits for
 * no lock that is held while any runs. It knows until when the code of each VM may run, and sends a
 * signal to those whose code is late, so that no system call of a getter that is in time is
 * interrupted; but for one that takes over at that very moment. Whom a VM has posted to and not
 * woken yet, because its code computes or waits in C, that thread wakes instead. */
#ifndef INTERRUPT_H
#define INTERRUPT_H

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>

#include "base/list.h"

struct held;
struct lua_Debug;
struct lua_State;

/* Of one VM; zero: nothing reaches it. */
struct interrupt {
    struct lua_State *L;
    void (*hook)(struct lua_State *L, struct lua_Debug *ar);
    volatile sig_atomic_t changing; /* the hook is being set: the handler leaves it alone */
    int counts;                     /* bytecodes; else the signal is used */
    atomic_ullong until_ms;         /* the code that runs may until then; 0: none runs */
    atomic_uint runs;               /* counts changes of until_ms */
    atomic_int ends;                /* what runs, and will run, is late */
    struct list link;               /* the rest is guarded by the lock in interrupt.c */
    pthread_t thread;
    int linked;
    struct held *held;           /* whom the thread has not woken yet */
    unsigned seen_runs;          /* at the last look */
    unsigned late_runs;          /* the run that was sent a signal */
    uint64_t again_ms, pause_ms; /* when it is sent another, and how long after the last */
};

/* Gives a signal to this, once, before any VM has a thread. Nothing happens under ThreadSanitizer,
 * which lets handlers wait until the code that they are to interrupt has ended. */
void interrupt_by_signal(int signo);

void interrupt_init(struct interrupt *in, struct lua_State *L,
                    void (*hook)(struct lua_State *L, struct lua_Debug *ar));

/* The VM's thread, before and after all Lua code that it runs. */
void interrupt_begin(struct interrupt *in);
void interrupt_end(struct interrupt *in);

/* The VM's thread: the code that runs from now on may until then (clock_ms() time); 0: none runs.
 */
void interrupt_at(struct interrupt *in, uint64_t until_ms);

/* Any thread: until when, or 0. */
uint64_t interrupt_until(const struct interrupt *in);

/* Any thread: whatever runs, now and later, must end. */
void interrupt_all(struct interrupt *in);

/* The VM's thread: there is nothing to be stopped, or no more. */
void interrupt_rest(struct interrupt *in);

/* The VM's thread: every instruction calls the hook, until there is a rest. */
void interrupt_insist(struct interrupt *in);

#endif
