/* SPDX-License-Identifier: MIT */
/* spool.h - lines on their way to a file, written by a thread of their own.
 *
 * Whoever has a line copies it into a buffer, under a mutex that is held for that copy only. What
 * does not fit, since the disk is slow or nobody reads the pipe, is dropped and counted; the log
 * says how many. So nobody ever waits for the file. */
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

/* Any thread: all spools of the process open their files anew soon, as a rotation of logs wants. */
void spool_reopen_all(void);

/* Writes what is left, for two seconds at most, and frees it. NULL is fine. */
void spool_close(struct spool *s);

#endif
