/* SPDX-License-Identifier: MIT */
/* journal.h - the notes of a changelog in a file, which the kernel keeps when the process is
 * killed. It is mapped into memory, so a note costs no system call. If the machine loses its power,
 * the notes are lost, and journal_began_ms() says so.
 *
 * The file is locked: a second node with the same path does not start. One thread. */
#ifndef JOURNAL_H
#define JOURNAL_H

#include <stdint.h>

#include "base/err.h"

struct changelog_notes;
struct journal;

/* Opens or makes the file. NULL and e: it cannot be made, or another process has it. The room is
 * allocated on the disk, so that no later note fails. */
struct journal *journal_open(const char *path, struct error *e);
void journal_close(struct journal *j); /* NULL is fine */

/* The notes, as long as the journal is open. */
struct changelog_notes *journal_notes(struct journal *j);

/* The clock_boot_ms() time since which the notes have all changes: when the file was made, in this
 * start of the machine. */
uint64_t journal_began_ms(const struct journal *j);

#endif
