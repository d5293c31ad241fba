/* SPDX-License-Identifier: MIT */
/* interrupt.h - how Lua code that runs too long is reached.
 *
 * What may stop it is a hook, and something has to call that. LuaJIT can count bytecodes and call
 * it at every so many: that works in any process, and is a third of the time of all Lua code. A
 * process that has a signal to give spares that: nothing is counted, and the handler of the signal
 * sets the hook, which the next bytecode calls. LuaJIT's own program ends a script at Ctrl-C in
 * the same way. Only a thread whose code is late is sent one, so that no system call of a getter
 * that is in time is ever interrupted. */
#ifndef INTERRUPT_H
#define INTERRUPT_H

#include <pthread.h>
#include <signal.h>

struct lua_Debug;
struct lua_State;

/* Of one VM; zero: nothing reaches it. */
struct interrupt {
    struct lua_State *L;
    void (*hook)(struct lua_State *L, struct lua_Debug *ar);
    volatile sig_atomic_t changing; /* the hook is being set: the handler leaves it alone */
};

/* Gives a signal to this, once, before any VM has a thread. Nothing happens under ThreadSanitizer,
 * which lets handlers wait until the code that they are to interrupt has ended. */
void interrupt_by_signal(int signo);

void interrupt_init(struct interrupt *in, struct lua_State *L,
                    void (*hook)(struct lua_State *L, struct lua_Debug *ar));

/* The VM's thread, before and after all Lua code that it runs. */
void interrupt_begin(struct interrupt *in);
void interrupt_end(void);

/* The VM's thread: there is nothing to be stopped, or no more. */
void interrupt_rest(struct interrupt *in);

/* The VM's thread: every instruction calls the hook, until there is a rest. */
void interrupt_insist(struct interrupt *in);

/* Any thread: what runs on `thread`, which was not joined yet, calls the hook soon. */
void interrupt_send(const struct interrupt *in, pthread_t thread);

#endif
