/* SPDX-License-Identifier: MIT */
/* signals.h - the signals of groupcached: one thread, "signals", takes them for the whole process.
 *
 * A program with nodes does not use this: it owns its signals, and no signal is ever pending here.
 *
 *   SIGTERM, SIGINT   until signals_serve(): end the process at once, since it serves nothing.
 *                     Later: signals_wait() returns it, and its caller ends the node. While the
 *                     caller reads a script, a second signal, or ten seconds, end the process
 *   SIGHUP            signals_wait() returns it; an early SIGHUP is kept
 *   SIGUSR1           calls the function of signals_on_usr1()
 *   SIGPIPE, SIGXFSZ  ignored: the call fails with an error
 *   others            logged and ignored, except SIGQUIT, signals that stop a process, and signals
 *                     of its own faults */
#ifndef SIGNALS_H
#define SIGNALS_H

#include "base/err.h"

/* The first lines of main(), before there is another thread: from here on no signal is lost or
 * ends the process by accident. */
enum err signals_take(struct error *e);

/* What SIGUSR1 calls, on the thread "signals". */
void signals_on_usr1(void (*fn)(void));

/* What is called before a signal ends the process, on the thread "signals". NULL: nothing. */
void signals_on_end(void (*fn)(void));

/* A node is about to start: SIGTERM and SIGINT wait for signals_wait(). */
void signals_serve(void);

/* Blocks until the next SIGTERM, SIGINT or SIGHUP and returns it. After one of the first two the
 * node is ending. */
int signals_wait(void);

/* Whether SIGTERM or SIGINT waits to be taken; signals_take_stop() takes it. Any thread. */
int signals_stop_asked(void);
int signals_take_stop(void);

/* In any case the process ends within ms, with this status. For the last lines of main(). */
void signals_end_within(unsigned ms, int status);

#endif
