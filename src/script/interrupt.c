/* SPDX-License-Identifier: MIT */
#include "script/interrupt.h"

#include <lua.h>
#include <stddef.h>

enum { COUNT = 10000 /* bytecodes between two calls of the hook: some 0.1 ms */ };

static int signal_used; /* 0: none. Set before there are threads. */
static _Thread_local struct interrupt *volatile mine;

static void set_hook(struct interrupt *in, int count)
{
    in->changing = 1;
    lua_sethook(in->L, count ? in->hook : NULL, count ? LUA_MASKCOUNT : 0, count);
    in->changing = 0;
}

/* lua_sethook() changes a few words that the interpreter reads at each bytecode, and takes no lock.
 * What is lost, since it came while LuaJIT changed the same word, is sent again. */
static void on_signal(int signo)
{
    struct interrupt *in = mine;

    (void)signo;
    if (in && !in->changing)
        lua_sethook(in->L, in->hook, LUA_MASKCOUNT, 1);
}

void interrupt_by_signal(int signo)
{
#ifndef __SANITIZE_THREAD__
    struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_RESTART};

    sigemptyset(&sa.sa_mask);
    if (sigaction(signo, &sa, NULL) == 0)
        signal_used = signo;
#else
    (void)on_signal;
    (void)signo;
#endif
}

void interrupt_init(struct interrupt *in, lua_State *L, lua_Hook hook)
{
    in->L = L;
    in->hook = hook;
}

void interrupt_begin(struct interrupt *in)
{
    sigset_t set;

    if (!in->L)
        return;
    interrupt_rest(in);
    if (!signal_used)
        return;
    mine = in;
    sigemptyset(&set);
    sigaddset(&set, signal_used);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

void interrupt_end(void)
{
    mine = NULL;
}

void interrupt_rest(struct interrupt *in)
{
    if (in->L)
        set_hook(in, signal_used ? 0 : COUNT);
}

void interrupt_insist(struct interrupt *in)
{
    set_hook(in, 1);
}

void interrupt_send(const struct interrupt *in, pthread_t thread)
{
    if (in->L && signal_used)
        pthread_kill(thread, signal_used);
}
