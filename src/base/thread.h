/* SPDX-License-Identifier: MIT */
/* thread.h - starts a named thread that takes no signals; how much stack is left.
 *
 * Signals belong to the thread that runs the node (main.c); every other thread blocks them all.
 * The name is what top, gdb and perf show: "http-1", "net", "lua-3". */
#ifndef THREAD_H
#define THREAD_H

#include <pthread.h>

#include "base/err.h"

/* Runs fn(arg) on a new thread with `stack_bytes` of stack (0: the system's default). The name is
 * cut to 15 bytes. The caller joins it. */
enum err thread_start(pthread_t *out, const char *name, size_t stack_bytes, void *(*fn)(void *),
                      void *arg, struct error *e);

/* Notes that a thread will not be joined, because it is stuck somewhere. */
void thread_leave_behind(void);

/* 1: a thread was left behind. Code that libraries run at exit() may wait for it for ever. */
int thread_left_behind(void);

/* The calling thread, as the kernel knows it. */
int thread_id(void);

/* Any thread of this process: 1 when that one waits in a system call. 0 when it runs, or wants to,
 * and when that is not known. */
int thread_waits(int id);

/* How much of its stack the calling thread has used, from 0 to 1. */
double thread_stack_used(void);

#endif
