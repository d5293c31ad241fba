/* SPDX-License-Identifier: MIT */
/* interrupt.h - stops Lua code that runs too long.
 *
 * A hook stops the code. LuaJIT can count bytecodes and call the hook after a number of them. That
 * works in any process, but costs a third of the time of all Lua code. If the process can spare a
 * signal, nothing is counted: the signal's handler sets the hook, and the next bytecode calls it.
 * LuaJIT's own program ends a script at Ctrl-C in the same way.
 *
 * A thread of its own, "late", sends the signal. It runs no code of a script, and waits for no lock
 * that is held while such code runs. It knows until when the code of each VM may run, and signals
 * only the threads of VMs whose code is late. So system calls of getters that are in time are not
 * interrupted. The exception is a getter that begins to run at the very moment of a signal. The
 * thread also sends the wakes that a VM holds while its code computes or blocks in C
 * (inbox_hold()). */
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

/* Of one VM; zero: its code is never stopped. */
struct interrupt {
    struct lua_State *L;
    void (*hook)(struct lua_State *L, struct lua_Debug *ar);
    volatile sig_atomic_t changing; /* the hook is being set: the handler leaves it alone */
    int counts;                     /* 1: counts bytecodes; 0: the signal is used */
    atomic_ullong until_ms;         /* the running code may run until then; 0: no code runs */
    atomic_uint runs;               /* counts changes of until_ms */
    atomic_int ends;                /* all code, now and later, is late */
    struct list link;               /* the rest is guarded by the lock in interrupt.c */
    pthread_t thread;
    int linked;
    struct held *held;           /* the wakes that the thread holds */
    unsigned seen_runs;          /* at the last look */
    unsigned late_runs;          /* the run that was sent a signal */
    uint64_t again_ms, pause_ms; /* when the next signal is sent, and the pause before it */
};

/* Uses this signal from now on. To be called once, before any VM has a thread. Does nothing under
 * ThreadSanitizer, which delays handlers until the code that they are to interrupt has ended. */
void interrupt_by_signal(int signo);

void interrupt_init(struct interrupt *in, struct lua_State *L,
                    void (*hook)(struct lua_State *L, struct lua_Debug *ar));

/* The VM's thread, before and after all Lua code that it runs. */
void interrupt_begin(struct interrupt *in);
void interrupt_end(struct interrupt *in);

/* The VM's thread: code may run until this clock_ms() time from now on; 0: no code runs. */
void interrupt_at(struct interrupt *in, uint64_t until_ms);

/* Any thread: until when, or 0. */
uint64_t interrupt_until(const struct interrupt *in);

/* Any thread: all code, now and later, must end. */
void interrupt_all(struct interrupt *in);

/* The VM's thread: no code is to be stopped now. */
void interrupt_rest(struct interrupt *in);

/* The VM's thread: every instruction calls the hook, until interrupt_rest(). */
void interrupt_insist(struct interrupt *in);

#endif
