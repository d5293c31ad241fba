/* SPDX-License-Identifier: MIT */
/* log_out.h - writes log lines to stderr, and never waits for it.
 *
 * stderr is shared with other processes, so it must not be made non-blocking. So lines for a pipe
 * or a terminal go through a description of our own, and lines for a socket through send(). If
 * neither is possible, poll() is asked first. A file is written directly.
 *
 * A line that would have to wait is dropped and counted. The next line that is written says the
 * count. Any thread. */
#ifndef LOG_OUT_H
#define LOG_OUT_H

#include <stddef.h>

/* Writes a line of at most LOG_LINE_BYTES, its newline included. */
void log_out_line(const char *line, size_t n);

/* Says how many lines were dropped, if lines can be written again. To be called now and then. */
void log_out_tick(void);

#endif
