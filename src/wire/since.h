/* SPDX-License-Identifier: MIT */
/* since.h - the answer of one of our nodes to BATCH_RECENT: which keys it has changed lately.
 *
 *   8 bytes   a number whose bytes tell the byte order, and whether all changes are here
 *   8 bytes   the number of a key (cache/changelog.h), as often as need be
 *
 * The numbers of keys depend on the byte order of the machine, so a node with another order cannot
 * use them. Pure functions, any thread. */
#ifndef SINCE_H
#define SINCE_H

#include <stddef.h>

#include "base/buf.h"

enum { SINCE_NAME_BYTES = 8 };

/* Begins an answer. Its names are appended by the caller; since_end() then says whether they are
 * all of them. */
void since_begin(struct buf *out);
void since_end(struct buf *out, int complete);

/* Reads an answer: *names, borrowed, are *n names of eight bytes each, at any alignment. Returns
 * whether they are all; 0 as well, and no names, if the bytes are no such answer. */
int since_get(const void *bytes, size_t len, const char **names, size_t *n);

#endif
