/* SPDX-License-Identifier: MIT */
#include "script/interrupt.h"

#include <lua.h>
#include <stddef.h>
#include <time.h>

#include "base/clock.h"
#include "base/inbox.h"
#include "base/thread.h"

enum {
    COUNT = 10000, /* bytecodes between two calls of the hook: some 0.1 ms */
    IDLE_MS = 100, /* between two looks while no code runs */
    LOOK_MS = 10,  /* while code runs; also the first pause between two signals for the same code */
    LEAST_MS = 2   /* between two looks */
};

static int signal_used; /* 0: no signal. Set before other threads start. */
static _Thread_local struct interrupt *volatile mine;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct list all = {&all, &all}; /* guarded by lock: VMs with a running thread, by `link` */
static int watched;                    /* guarded by lock: there is a thread "late" */

/* --- the hook --- */

static void set_hook(struct interrupt *in, int count)
{
    in->changing = 1;
    lua_sethook(in->L, count ? in->hook : NULL, count ? LUA_MASKCOUNT : 0, count);
    in->changing = 0;
}

void interrupt_rest(struct interrupt *in)
{
    if (in->L)
        set_hook(in, in->counts ? COUNT : 0);
}

void interrupt_insist(struct interrupt *in)
{
    set_hook(in, 1);
}

/* lua_sethook() takes no lock and changes a few words that the interpreter reads at each bytecode.
 * If LuaJIT changes the same word at that moment, the hook is lost and the signal is sent again. */
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

/* --- what runs --- */

void interrupt_look_at(struct interrupt *in, uint64_t look_ms)
{
    unsigned runs = atomic_load_explicit(&in->runs, memory_order_relaxed);

    atomic_store_explicit(&in->look_ms, look_ms, memory_order_relaxed);
    atomic_store_explicit(&in->runs, runs + 1, memory_order_relaxed);
}

void interrupt_goes_on(struct interrupt *in, int goes_on)
{
    atomic_store_explicit(&in->goes_on, goes_on, memory_order_relaxed);
}

void interrupt_at(struct interrupt *in, uint64_t until_ms, uint64_t look_ms)
{
    atomic_store_explicit(&in->until_ms, until_ms, memory_order_relaxed);
    interrupt_look_at(in, look_ms);
}

uint64_t interrupt_until(const struct interrupt *in)
{
    return atomic_load_explicit(&in->until_ms, memory_order_relaxed);
}

/* Code that is in time gets the signal at the next tick of the kernel's clock in which its thread
 * computes. So no wait in a system call is interrupted. A tick is 4 ms, too long for code that was
 * set aside before: it has computed for long, so it gets the signal at once if it does not wait. */
static void send_signal(struct interrupt *in, int late)
{
    static const struct itimerspec soon = {.it_value = {0, 1}};

    if (!late && !atomic_load(&in->goes_on))
        timer_settime(in->timer, 0, &soon, NULL);
    else if (late || !thread_waits(in->thread_id))
        pthread_kill(in->thread, signal_used);
}

/* The pauses between signals for the same code grow, since a library may restart its poll() after
 * each signal. Returns the milliseconds until the next look. */
static uint64_t look_locked(struct interrupt *in, uint64_t now_ms)
{
    unsigned runs = atomic_load_explicit(&in->runs, memory_order_relaxed);
    uint64_t look_ms = atomic_load_explicit(&in->look_ms, memory_order_relaxed);
    uint64_t until_ms = interrupt_until(in);
    int late = now_ms >= until_ms || atomic_load(&in->ends);

    if (!until_ms)
        return IDLE_MS;
    if (runs == in->seen_runs)
        inbox_hurry_held(in->held);
    in->seen_runs = runs;
    if (now_ms < look_ms && !late)
        return look_ms - now_ms < LOOK_MS ? look_ms - now_ms : LOOK_MS;
    if (runs != in->sent_runs || late != in->sent_late || !in->pause_ms) {
        in->sent_runs = runs;
        in->sent_late = late;
        in->again_ms = now_ms;
        in->pause_ms = LOOK_MS;
    }
    if (now_ms >= in->again_ms) {
        send_signal(in, late);
        in->again_ms = now_ms + in->pause_ms;
        in->pause_ms *= 2;
    }
    return in->again_ms - now_ms;
}

static void *late_main(void *arg)
{
    struct list *l;

    for (;;) {
        uint64_t now_ms = clock_ms(), pause_ms = IDLE_MS, ms;
        struct timespec pause = {0, 0};

        pthread_mutex_lock(&lock);
        if (list_empty(&all))
            break;
        list_each (l, &all) {
            ms = look_locked(list_entry(l, struct interrupt, link), now_ms);
            pause_ms = ms < pause_ms ? ms : pause_ms;
        }
        pthread_mutex_unlock(&lock);
        pause.tv_nsec = (long)(pause_ms > LEAST_MS ? pause_ms : LEAST_MS) * 1000000;
        nanosleep(&pause, NULL);
    }
    watched = 0;
    pthread_mutex_unlock(&lock);
    return arg;
}

/* Returns 0 when the thread "late" does not run and cannot be started. */
static int watch_locked(void)
{
    struct error e;
    pthread_t thread;

    if (!watched && thread_start(&thread, "late", 0, late_main, NULL, &e) == ERR_OK) {
        pthread_detach(thread);
        watched = 1;
    }
    return watched;
}

void interrupt_all(struct interrupt *in)
{
    atomic_store(&in->ends, 1);
    pthread_mutex_lock(&lock);
    if (in->linked)
        look_locked(in, clock_ms());
    pthread_mutex_unlock(&lock);
}

/* --- a VM --- */

/* A timer of the processor time of this thread, which sends the signal to it. Returns 0 when there
 * is none. */
static int make_timer(struct interrupt *in)
{
    struct sigevent e = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = signal_used};

    e._sigev_un._tid = thread_id();
    return timer_create(CLOCK_THREAD_CPUTIME_ID, &e, &in->timer) == 0;
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
    in->has_timer = signal_used && make_timer(in);
    in->counts = !in->has_timer;
    if (in->has_timer) {
        mine = in;
        in->thread = pthread_self();
        in->thread_id = thread_id();
        in->held = inbox_held();
        sigemptyset(&set);
        sigaddset(&set, signal_used);
        pthread_sigmask(SIG_UNBLOCK, &set, NULL);
        pthread_mutex_lock(&lock);
        in->counts = !watch_locked();
        in->linked = !in->counts;
        if (in->linked)
            list_push_back(&all, &in->link);
        pthread_mutex_unlock(&lock);
    }
    interrupt_rest(in);
}

void interrupt_end(struct interrupt *in)
{
    pthread_mutex_lock(&lock);
    if (in->linked)
        list_del(&in->link);
    in->linked = 0;
    pthread_mutex_unlock(&lock);
    if (in->has_timer)
        timer_delete(in->timer);
    in->has_timer = 0;
    mine = NULL;
}
