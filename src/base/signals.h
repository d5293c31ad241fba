/* SPDX-License-Identifier: MIT */
/* signals.h - the signals of groupcached: one thread, "signals", takes them for the whole process.
 *
 * A program that has nodes in it does not use this: signals are the program's there, and nothing
 * below is ever pending.
 *
 *   SIGTERM, SIGINT   until signals_serve(): end the process at once, since it serves nothing.
 *                     Later: whoever calls signals_wait() ends the node. While that thread reads a
 *                     script, a second one, or ten seconds, end the process at once
 *   SIGHUP            whoever calls signals_wait(); one that came too early is kept for it
 *   SIGUSR1           calls the function of signals_on_usr1()
 *   SIGPIPE, SIGXFSZ  ignored: the call that fails says so
 *   others            are said in the log and ignored, but for those that stop a process, those of
 *                     its own faults, and SIGQUIT */
#ifndef SIGNALS_H
#define SIGNALS_H

#include "base/err.h"

/* The first lines of main(), before there is another thread: from here on no signal is lost and
 * none ends the process by accident. */
enum err signals_take(struct error *e);

/* What SIGUSR1 calls, on the thread "signals". */
void signals_on_usr1(void (*fn)(void));

/* A node is about to start: SIGTERM and SIGINT wait for signals_wait(). */
void signals_serve(void);

/* Blocks until the next SIGTERM, SIGINT or SIGHUP and returns it. After one of the first two the
 * node is ending. */
int signals_wait(void);

/* Whether SIGTERM or SIGINT waits to be taken; signals_take_stop() takes it. Any thread. */
int signals_stop_asked(void);
int signals_take_stop(void);

/* Whatever happens, the process ends in ms with this status. For the last lines of main(). */
void signals_end_within(unsigned ms, int status);

#endif
