/* SPDX-License-Identifier: MIT */
/* changelog.h - which keys were changed lately: set, removed or flushed at this node. A node that
 * starts from a snapshot asks its peers and its own log for the changes that the snapshot lacks.
 *
 * The log has a bound and forgets the oldest changes. A key is a number, so another key may have
 * the same one; that costs a load. Any thread. */
#ifndef CHANGELOG_H
#define CHANGELOG_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct changelog;

enum { CHANGELOG_NOTES = 16384 };

struct changelog_note {
    uint64_t group, name; /* changelog_group(), changelog_name() */
    uint64_t at_ms;       /* clock_boot_ms() */
};

/* The notes, which may be in a file that is mapped into memory: they outlive the process. */
struct changelog_notes {
    _Atomic uint64_t n; /* ever; the last CHANGELOG_NOTES of them are in the list */
    struct changelog_note list[CHANGELOG_NOTES];
};

/* Borrows `notes`, which may have notes of an earlier process of this start of the machine. NULL:
 * has its own, allocated with the first note. */
struct changelog *changelog_new(struct changelog_notes *notes);
void changelog_free(struct changelog *l); /* NULL is fine */

/* The numbers of a group and of a key in it, the same in each process and on each node with the
 * byte order of this one. A flush has the number of its group. */
uint64_t changelog_group(const char *group);
uint64_t changelog_name(uint64_t group, const void *key, size_t n);

/* Notes a change that has been made: a copy of the old value that was taken later does not exist.
 * NULL is fine. */
void changelog_note(struct changelog *l, uint64_t group, uint64_t name);

/* Appends the names of a group that were changed since a clock_boot_ms() time, eight bytes each.
 * 1: all of them. 0: the log has forgotten some. */
int changelog_since(struct changelog *l, uint64_t group, uint64_t since_ms, struct buf *out);

/* The time since which this process has kept the log. */
uint64_t changelog_began_ms(const struct changelog *l);

#endif
