/* SPDX-License-Identifier: MIT */
/* notify.h - tells a service manager how the process is, in the protocol of sd_notify(3):
 * datagrams to the UNIX socket that NOTIFY_SOCKET names, also an abstract one.
 *
 * The words are about the process, so only groupcached opens this. Without notify_open(), or
 * without the variable, all functions do nothing. No call waits for longer than a second, or fails:
 * a manager that does not read is logged. Any thread, unless it is said. */
#ifndef NOTIFY_H
#define NOTIFY_H

#include <stdint.h>

/* Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID, and removes them, so that no child speaks
 * for this process. To be called before the process forks or has threads. */
void notify_open(void);

/* How often notify_alive() must be called at the least, in ms; 0: never. */
uint64_t notify_watchdog_ms(void);

/* READY=1: requests are served. `fmt` is a printf text, the STATUS= that people read. */
void notify_ready(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* RELOADING=1 with the time, and the end of that reload. If notify_ready() was not called yet, the
 * end does not say READY=1. */
void notify_reloading(const char *status);
void notify_reloaded(const char *status);

/* STOPPING=1 */
void notify_stopping(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* STATUS= alone. */
void notify_status(const char *status);

/* WATCHDOG=1: the process does its work. It does not wait at all. */
void notify_alive(void);

#endif
