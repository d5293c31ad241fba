/* SPDX-License-Identifier: MIT */
#include "base/signals.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/thread.h"

enum { PATIENCE_S = 10 }; /* how long one SIGTERM waits for a script that is being read */

enum state { LOADING, SERVING, STOPPING };

static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static enum state state; /* guarded by mu, as are the next two */
static int stop, hup;    /* the signal that waits to be taken, or 0 */
static _Atomic(void (*)(void)) on_usr1, on_end;
static atomic_uint strays[2]; /* bits of signals that the handler saw: below 32, and from 32 on */

/* --- others --- */

static void note_stray(int signo)
{
    atomic_fetch_or(&strays[signo >= 32], 1u << (signo & 31));
}

static const char *name_of(int signo)
{
    static const struct {
        int signo;
        const char *name;
    } names[] = {{SIGUSR1, "USR1"}, {SIGUSR2, "USR2"}, {SIGALRM, "ALRM"},    {SIGVTALRM, "VTALRM"},
                 {SIGIO, "IO"},     {SIGPWR, "PWR"},   {SIGSTKFLT, "STKFLT"}};
    size_t i;

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (names[i].signo == signo)
            return names[i].name;
    }
    return "";
}

/* Once per signal and burst. */
static void say_strays(void)
{
    int signo;

    for (signo = 1; signo < 64; signo++) {
        unsigned bit = 1u << (signo & 31);

        if (atomic_load(&strays[signo >= 32]) & bit) {
            atomic_fetch_and(&strays[signo >= 32], ~bit);
            log_warn("node", "a signal that means nothing here was ignored", "name=SIG%s number=%d",
                     name_of(signo), signo);
        }
    }
}

static void other_signals(sigset_t *set)
{
    static const int some[] = {SIGUSR2, SIGALRM, SIGVTALRM, SIGIO, SIGPWR, SIGSTKFLT};
    size_t i;
    int signo;

    sigemptyset(set);
    for (i = 0; i < sizeof(some) / sizeof(some[0]); i++)
        sigaddset(set, some[i]);
    for (signo = SIGRTMIN; signo <= SIGRTMAX && signo < 64; signo++)
        sigaddset(set, signo);
}

/* Sets a handler, so that a library may take a signal over for its own use. */
static void handle_others(const sigset_t *others)
{
    struct sigaction sa = {.sa_handler = note_stray, .sa_flags = SA_RESTART}, old;
    int signo;

    sigemptyset(&sa.sa_mask);
    for (signo = 1; signo < 64; signo++) {
        if (sigismember(others, signo) == 1 && sigaction(signo, NULL, &old) == 0 &&
            old.sa_handler == SIG_DFL)
            sigaction(signo, &sa, NULL);
    }
}

/* --- ours --- */

static void our_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGHUP);
    sigaddset(set, SIGUSR1);
}

/* Ends the process as the signal would, which does not end the first process of a container. */
static void die(int signo, const char *why)
{
    void (*fn)(void) = atomic_load(&on_end);
    sigset_t set;

    if (fn)
        fn();
    log_warn("node", why, "name=SIG%s", signo == SIGINT ? "INT" : "TERM");
    signal(signo, SIG_DFL);
    sigemptyset(&set);
    sigaddset(&set, signo);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    pthread_kill(pthread_self(), signo);
    _exit(128 + signo);
}

static void take_in(int signo)
{
    const char *why = NULL;

    pthread_mutex_lock(&mu);
    if (signo == SIGHUP)
        hup = 1;
    else if (state == LOADING)
        why = "ended by a signal while the script was read";
    else if (state == SERVING && stop)
        why = "ended by a second signal while the script was read";
    else
        stop = signo;
    pthread_cond_broadcast(&cond);
    pthread_mutex_unlock(&mu);
    if (why)
        die(signo, why);
}

/* 1: a stop waits to be taken. */
static int kept_waiting(void)
{
    int signo;

    pthread_mutex_lock(&mu);
    signo = state == SERVING ? stop : 0;
    pthread_mutex_unlock(&mu);
    return signo;
}

/* Waits for one of our signals. 0: another signal came, or the patience with a stop has ended. */
static int next_signal(int fd, const sigset_t *mask)
{
    const struct timespec patience = {PATIENCE_S, 0};
    struct pollfd p = {.fd = fd, .events = POLLIN};
    struct signalfd_siginfo info;
    int waiting = kept_waiting();
    int n = ppoll(&p, 1, waiting ? &patience : NULL, mask);

    if (n == 0 && waiting && kept_waiting() == waiting)
        die(waiting, "ended by a signal: a script that is read does not come to its end");
    if (n > 0 && read(fd, &info, sizeof(info)) == sizeof(info))
        return (int)info.ssi_signo;
    return 0;
}

/* Other signals are unblocked only while ppoll() waits, so that no signal comes between a look and
 * the wait. */
static void *signals_main(void *arg)
{
    int fd = (int)(intptr_t)arg;
    sigset_t mask, others;
    int signo;

    other_signals(&others);
    sigfillset(&mask);
    for (signo = 1; signo < 64; signo++) {
        if (sigismember(&others, signo) == 1)
            sigdelset(&mask, signo);
    }
    for (;;) {
        void (*fn)(void);

        signo = next_signal(fd, &mask);
        fn = atomic_load(&on_usr1);
        if (signo == SIGUSR1 && fn)
            fn();
        else if (signo == SIGUSR1)
            note_stray(signo);
        else if (signo)
            take_in(signo);
        say_strays();
    }
    return NULL;
}

enum err signals_take(struct error *e)
{
    sigset_t ours, others;
    pthread_t thread;
    int fd;

    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    our_signals(&ours);
    other_signals(&others);
    pthread_sigmask(SIG_BLOCK, &ours, NULL);
    pthread_sigmask(SIG_BLOCK, &others, NULL);
    handle_others(&others);
    fd = signalfd(-1, &ours, SFD_CLOEXEC);
    if (fd < 0)
        return error_set(e, ERR_NOMEM, "signalfd: %s", strerror(errno));
    if (thread_start(&thread, "signals", 0, signals_main, (void *)(intptr_t)fd, e))
        return e->code;
    pthread_detach(thread);
    return ERR_OK;
}

void signals_on_usr1(void (*fn)(void))
{
    atomic_store(&on_usr1, fn);
}

void signals_on_end(void (*fn)(void))
{
    atomic_store(&on_end, fn);
}

void signals_serve(void)
{
    pthread_mutex_lock(&mu);
    state = SERVING;
    pthread_mutex_unlock(&mu);
}

int signals_wait(void)
{
    int signo;

    pthread_mutex_lock(&mu);
    while (!stop && !hup)
        pthread_cond_wait(&cond, &mu);
    if (stop) {
        signo = stop;
        stop = 0;
        state = STOPPING;
    } else {
        signo = SIGHUP;
        hup = 0;
    }
    pthread_mutex_unlock(&mu);
    return signo;
}

int signals_stop_asked(void)
{
    int asked;

    pthread_mutex_lock(&mu);
    asked = stop != 0;
    pthread_mutex_unlock(&mu);
    return asked;
}

int signals_take_stop(void)
{
    int taken;

    pthread_mutex_lock(&mu);
    taken = stop != 0;
    stop = 0;
    pthread_mutex_unlock(&mu);
    return taken;
}

/* --- the end --- */

static int exit_status;

static void exit_now(int signo)
{
    (void)signo;
    _exit(exit_status);
}

void signals_end_within(unsigned ms, int status)
{
    const struct itimerval at = {
        .it_value = {(time_t)(ms / 1000), (suseconds_t)(ms % 1000) * 1000 + 1}};
    struct sigaction sa = {.sa_handler = exit_now};

    exit_status = status;
    sigemptyset(&sa.sa_mask);
    sigaction(SIGALRM, &sa, NULL);
    setitimer(ITIMER_REAL, &at, NULL);
}
