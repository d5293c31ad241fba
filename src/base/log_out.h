/* SPDX-License-Identifier: MIT */
/* log_out.h - where log lines go: stderr, without ever waiting for it.
 *
 * stderr is shared with other processes, so it must not be made non-blocking. What is written to a
 * pipe or a terminal therefore goes through a description of our own, to a socket by send(), and
 * where neither can be had poll() is asked first. A file is written as it is.
 *
 * A line that would have to wait is dropped and counted; the count is said with the next line that
 * goes out. Any thread. */
#ifndef LOG_OUT_H
#define LOG_OUT_H

#include <stddef.h>

enum { LOG_LINE_BYTES = 4096 }; /* a pipe takes that much whole or not at all */

/* Writes a line of at most LOG_LINE_BYTES, its newline included. */
void log_out_line(const char *line, size_t n);

/* Says what was dropped if lines are taken again. For whoever looks now and then. */
void log_out_tick(void);

#endif
