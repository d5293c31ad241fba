/* SPDX-License-Identifier: MIT */
/* worker.c - the thread's loop, and how it ends.
 *
 * In each round the thread begins loads of the backlog for a millisecond. Then it runs the messages
 * of the inbox, in which ended ops resume tasks, and the due timers. Last it goes on with the
 * strand that was set aside first. Another loop (loop.h) may put strands off until its step, so it
 * has one after each load and at the end of the round. When there is nothing to do, the thread
 * sleeps on the descriptors of the inbox and of the loop until the next timer.
 *
 * The loads are first: a worker that was woken for a load takes it before code of other tasks
 * computes or blocks. Otherwise the load would wait while another worker sleeps. */
#include "script/worker.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/inbox.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"
#include "base/timers.h"
#include "cache/flight.h"
#include "script/backlog.h"
#include "script/getter.h"
#include "script/interrupt.h"
#include "script/loop.h"
#include "script/task.h"

enum {
    STACK_BYTES = 8 << 20, /* recursion through C functions takes 4 MiB before Lua's own bound ends
                            * it; guard.lua bounds those that would take more */
    WAKE_MS = 1000         /* specs move the clock: look at it now and then even when idle */
};

/* What a worker that is no longer wanted does. */
enum worker_end {
    GOES_ON,
    RETIRES,  /* ends what it has, then its thread */
    QUITS,    /* ends its tasks with CLOSED, then its thread */
    ABANDONED /* is stuck in C: quits as soon as it comes out */
};

struct worker {
    struct vm *vm;     /* owned */
    struct loop *loop; /* owned; NULL: only our own loop */
    int jit;
    struct backlog *backlog; /* borrowed; NULL: it takes no loads */
    struct taker taker;
    struct msg wake;  /* wakes the thread, for a load of the backlog */
    atomic_int wakes; /* that message is in the inbox */
    pthread_t thread;
    int started;       /* its maker's: there is a thread to join */
    atomic_int end;    /* enum worker_end */
    atomic_uint turns; /* written by the thread */
    unsigned seen;     /* turns, as of the last worker_turned() */
    atomic_int ended;  /* the thread is past its last touch of all this */
};

/* --- life --- */

/* Any thread, under the backlog's mutex. A message, not inbox_wake(), so that a thread that holds
 * its wakes sends this one in time, unless the worker has woken by itself until then. */
static void wake(struct taker *t)
{
    struct worker *w = list_entry(t, struct worker, taker);

    if (!atomic_exchange(&w->wakes, 1))
        inbox_post(vm_inbox(w->vm), &w->wake);
}

static void woken(struct msg *m)
{
    atomic_store(&list_entry(m, struct worker, wake)->wakes, 0);
}

struct worker *worker_new(const struct worker_opts *o, struct error *e)
{
    struct vm *vm = vm_new(&o->vm, e);
    struct worker *w;

    if (!vm)
        return NULL;
    w = mem_zalloc(sizeof(*w));
    w->vm = vm;
    w->jit = o->vm.jit;
    w->backlog = o->backlog;
    w->taker.wake = wake;
    w->wake.run = woken;
    return w;
}

void worker_free(struct worker *w)
{
    if (!w)
        return;
    vm_free(w->vm); /* finalizers may still meet the loop */
    loop_free(w->loop);
    mem_free(w);
}

struct vm *worker_vm(struct worker *w)
{
    return w->vm;
}

const char *worker_name(const struct worker *w)
{
    return vm_name(w->vm);
}

enum err worker_open_loop(struct worker *w, const char *name, struct error *e)
{
    if (strcmp(name, "plain") == 0)
        return ERR_OK;
    w->loop = loop_open(w->vm, name, e);
    vm_set_loop(w->vm, w->loop);
    return w->loop ? ERR_OK : e->code;
}

/* --- the thread --- */

static enum worker_end end_of(const struct worker *w)
{
    return (enum worker_end)atomic_load_explicit(&w->end, memory_order_relaxed);
}

/* Until a message comes, or the next timer or the other loop is due. */
static void sleep_until_due(struct worker *w)
{
    struct pollfd p[2] = {{.fd = inbox_fd(vm_inbox(w->vm)), .events = POLLIN}, {.events = POLLIN}};
    int wait_ms = timers_wait_ms(vm_timers(w->vm), clock_ms()), loop_ms = -1;

    if (w->loop)
        loop_poll(w->loop, &p[1].fd, &loop_ms);
    if (wait_ms < 0 || wait_ms > WAKE_MS)
        wait_ms = WAKE_MS;
    if (loop_ms >= 0 && loop_ms < wait_ms)
        wait_ms = loop_ms;
    poll(p, w->loop ? 2 : 1, wait_ms);
}

static void load_ended(struct flight *f)
{
    struct worker *w = f->carrier;

    atomic_fetch_sub_explicit(&w->taker.begun, 1, memory_order_relaxed);
    if (f->call)
        backlog_ended(w->backlog, f);
}

static void begin_load(struct worker *w, struct flight *f)
{
    f->carrier = w;
    atomic_fetch_add_explicit(&w->taker.begun, 1, memory_order_relaxed);
    getter_start(w->vm, f, load_ended);
    if (w->loop) /* it may have put the getter off until its next step */
        loop_step(w->loop);
    inbox_worked();
}

/* Begins loads for a millisecond, or one that takes longer. Companions begin together. */
static void take_loads(struct worker *w)
{
    uint64_t since_ms = clock_ms();
    struct list taken, *l;

    list_init(&taken);
    while (backlog_take(w->backlog, &w->taker, &taken)) {
        while ((l = list_pop_front(&taken)))
            begin_load(w, list_entry(l, struct flight, queued));
        if (clock_ms() > since_ms)
            break;
    }
}

/* 1: the thread may sleep. */
static int is_idle(struct worker *w)
{
    return list_empty(vm_aside(w->vm)) && (!w->backlog || backlog_rest(w->backlog, &w->taker));
}

static void round_of_work(struct worker *w)
{
    inbox_hold();
    if (w->backlog)
        take_loads(w);
    inbox_drain(vm_inbox(w->vm));
    inbox_release();
    timers_run(vm_timers(w->vm), clock_ms());
    task_go_on(w->vm);
    if (w->loop)
        loop_step(w->loop);
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    struct inbox *inbox = vm_inbox(w->vm);

    interrupt_begin(vm_interrupt(w->vm));
    for (;;) {
        enum worker_end end = end_of(w); /* read first: earlier messages are then drained */

        round_of_work(w);
        atomic_store_explicit(&w->turns, atomic_load_explicit(&w->turns, memory_order_relaxed) + 1,
                              memory_order_relaxed);
        if (end >= QUITS || (end == RETIRES && list_empty(vm_tasks(w->vm))))
            break;
        if (end_of(w) == end && /* the message that told it to end may have been drained */
            is_idle(w))
            sleep_until_due(w);
    }
    inbox_close(inbox);
    inbox_drain(inbox);
    task_end_all(w->vm);
    timers_run(vm_timers(w->vm),
               UINT64_MAX); /* timers that no task waits for: their ops end with the VM */
    if (w->loop)
        loop_close(w->loop);
    interrupt_end(vm_interrupt(w->vm));
    atomic_store(&w->ended, 1);
    return NULL;
}

enum err worker_start(struct worker *w, struct error *e)
{
    if (!w->jit)
        interrupt_init(vm_interrupt(w->vm), vm_state(w->vm), task_hook);
    if (thread_start(&w->thread, worker_name(w), STACK_BYTES, worker_main, w, e))
        return e->code;
    w->started = 1;
    return ERR_OK;
}

void worker_settle(struct worker *w, const struct vm_opts *o)
{
    vm_settle(w->vm, o);
    w->jit = o->jit;
}

void worker_admit(struct worker *w)
{
    backlog_admit(w->backlog, &w->taker);
}

static void set_end(struct worker *w, enum worker_end end)
{
    if (w->backlog)
        backlog_dismiss(w->backlog, &w->taker);
    atomic_store(&w->end, (int)end);
    if (end >= QUITS)
        vm_quit(w->vm);
    inbox_wake(vm_inbox(w->vm));
}

void worker_quit(struct worker *w)
{
    if (end_of(w) != ABANDONED)
        set_end(w, QUITS);
}

/* Not pthread_clockjoin_np(), which ThreadSanitizer does not know. */
int worker_stop(struct worker *w, uint64_t until_ms)
{
    static const struct timespec pause = {0, 1000000};

    if (!w->started)
        return 1;
    worker_quit(w);
    if (end_of(w) == ABANDONED) /* an abandoned worker gets no more time */
        until_ms = 0;
    while (!atomic_load(&w->ended) && clock_ms() < until_ms)
        nanosleep(&pause, NULL);
    if (!atomic_load(&w->ended)) {
        log_warn("script", "Lua code is stuck in a C function and was left behind", "vm=%s",
                 worker_name(w));
        thread_leave_behind();
        return 0;
    }
    pthread_join(w->thread, NULL);
    w->started = 0;
    return 1;
}

int worker_ended(const struct worker *w)
{
    return !w->started || atomic_load(&w->ended);
}

void worker_retire(struct worker *w)
{
    set_end(w, RETIRES);
}

void worker_abandon(struct worker *w)
{
    set_end(w, ABANDONED);
    inbox_close(vm_inbox(w->vm));
    inbox_drain(vm_inbox(w->vm)); /* not on the VM's thread: ops allow it */
}

int worker_join(struct worker *w)
{
    if (w->started && (!atomic_load(&w->ended) || vm_ops(w->vm)))
        return 0;
    if (w->started)
        pthread_join(w->thread, NULL);
    w->started = 0;
    return 1;
}

int worker_stuck(const struct worker *w, uint64_t now_ms, uint64_t grace_ms)
{
    return vm_stuck(w->vm, now_ms, grace_ms);
}

int worker_turned(struct worker *w)
{
    unsigned turns = atomic_load_explicit(&w->turns, memory_order_relaxed), seen = w->seen;

    w->seen = turns;
    inbox_wake(vm_inbox(w->vm));
    return turns != seen;
}

/* --- loads and calls --- */

int worker_call(struct worker *w, struct msg *m)
{
    atomic_fetch_add_explicit(&w->taker.begun, 1, memory_order_relaxed);
    if (inbox_post(vm_inbox(w->vm), m))
        return 1;
    worker_called(w);
    return 0;
}

void worker_called(struct worker *w)
{
    atomic_fetch_sub_explicit(&w->taker.begun, 1, memory_order_relaxed);
}

unsigned worker_busy(const struct worker *w)
{
    return atomic_load_explicit(&w->taker.begun, memory_order_relaxed);
}
