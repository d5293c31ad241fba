/* SPDX-License-Identifier: MIT */
/* spool.h - lines on their way to a file, written by a thread of their own.
 *
 * A caller copies its line into a buffer, under a mutex that is held for that copy only. If the
 * disk is slow or the pipe is not read, lines that do not fit are dropped and counted; the log says
 * how many. So no caller ever waits for the file. */
#ifndef SPOOL_H
#define SPOOL_H

#include <stddef.h>

#include "base/err.h"

struct spool;

/* Opens a file for appending, or makes it; "-" is stdout. INVAL: it cannot be opened. */
struct spool *spool_open(const char *path, struct error *e);

/* Whether spool_open() could open it; makes nothing. */
enum err spool_check(const char *path, struct error *e);

/* Any thread: appends a line, its newline included. */
void spool_put(struct spool *s, const char *line, size_t n);

/* Any thread: all spools of the process soon open their files anew, for a rotation of logs. */
void spool_reopen_all(void);

/* Writes the remaining lines, for two seconds at most, and frees the spool. NULL is fine. */
void spool_close(struct spool *s);

#endif
