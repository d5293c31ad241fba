/* SPDX-License-Identifier: MIT */
/* journal.h - this node's own late changes in a file, which the kernel keeps when the process is
 * killed. It is mapped into memory, so a note costs no system call. If the machine loses its power,
 * the notes are lost, and journal_began_ms() says so.
 *
 * A note is the number of a group and that of a key in it (cache/changelog.h). The file has a
 * bound, and forgets the oldest notes first.
 *
 * The file is locked: a second node with the same path does not start. Any thread may note and ask;
 * one opens and closes. */
#ifndef JOURNAL_H
#define JOURNAL_H

#include <stdint.h>

#include "base/err.h"

struct buf;
struct journal;

enum { JOURNAL_NOTES = 16384 /* of all groups together */ };

/* Opens or makes the file. NULL and e: it cannot be made, or another process has it. The room is
 * allocated on the disk, so that no later note fails. */
struct journal *journal_open(const char *path, struct error *e);
void journal_close(struct journal *j); /* NULL is fine */

/* Notes a change that has been made: a copy of the old value that was taken later does not exist.
 */
void journal_note(struct journal *j, uint64_t group, uint64_t name);

/* Appends the names of a group that were changed since a clock_boot_ms() time, eight bytes each. 1:
 * all of them. 0: the journal has forgotten some. */
int journal_since(struct journal *j, uint64_t group, uint64_t since_ms, struct buf *out);

/* The clock_boot_ms() time since which the notes have all changes: when the file was made, in this
 * start of the machine. */
uint64_t journal_began_ms(const struct journal *j);

#endif
