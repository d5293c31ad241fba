/* SPDX-License-Identifier: MIT */
/* changelog.h - the late changes of a group at this node, for all who may have missed them:
 *
 *   a node that joins              is told the keys (change/greet.c)
 *   a node with a snapshot         asks for the names of keys (change/missed.c)
 *   a value that is handed over    may be older than a change of its key (group_hand.c)
 *
 * A note has the kind of the change, the key and its name, which is a number. Another key may have
 * the same name; that costs a load. The log has a bound on its notes and on its bytes, and forgets
 * the oldest first. It knows up to when it has forgotten some.
 *
 * Notes are in a ring that grows. Each has the number of the last note before it in the same bucket
 * of names, so a key is found without a walk through the ring.
 *
 * One thread at a time: guarded by the group's mutex. */
#ifndef CHANGELOG_H
#define CHANGELOG_H

#include <stddef.h>
#include <stdint.h>

struct buf;

enum {
    CHANGELOG_NOTES = 16384,
    CHANGELOG_BYTES = 4 << 20,       /* of notes and keys, at most */
    CHANGELOG_LEAST_BYTES = 64 << 10 /* the bound of a small group */
};

enum change_kind {
    CHANGE_OF_KEY, /* set or removed */
    CHANGE_OF_ALL  /* a flush: all that was noted before follows from it, and is forgotten */
};

struct changelog_note {
    uint64_t name;           /* changelog_name(), or that of the group */
    uint64_t at_ms, boot_ms; /* clock_ms(), clock_boot_ms() */
    char *key;               /* owned; NULL without a key */
    uint32_t n;              /* its length */
    unsigned kind : 1;       /* enum change_kind */
    unsigned has_older : 1;  /* `older` counts */
    uint64_t older;          /* the number of the last note in this bucket before it */
};

struct changelog {
    uint64_t group;              /* changelog_group() */
    uint64_t began_boot_ms;      /* changelog_init() */
    struct changelog_note *ring; /* note i is at i % room; NULL at first */
    uint64_t *heads;             /* of each bucket, the number of its last note, plus 1; or 0 */
    size_t room;                 /* a power of two */
    uint64_t first, next;        /* numbers of the oldest note, and of the one to come */
    size_t bytes;
    uint64_t lost_ms, lost_boot_ms; /* the log is complete behind these times */
};

void changelog_init(struct changelog *l, uint64_t group);
void changelog_deinit(struct changelog *l);

/* The bound in bytes for a group with so many cache_bytes. */
size_t changelog_bound(uint64_t cache_bytes);

/* The numbers of a group and of a key in it, the same in each process and on each node with the
 * byte order of this one. A flush has the number of its group. */
uint64_t changelog_group(const char *group);
uint64_t changelog_name(uint64_t group, const void *key, size_t n);

/* A key was changed now. `name` is its changelog_name(), which the caller finds out before it takes
 * the mutex. Without memory, or if the key alone exceeds the bound, the log forgets all. */
void changelog_note_key(struct changelog *l, uint64_t name, const void *key, size_t n,
                        size_t bound);

/* All keys were. */
void changelog_note_all(struct changelog *l);

/* Whether the key with that name was changed since a clock_ms() time, or may have been. */
int changelog_has(const struct changelog *l, uint64_t name, uint64_t since_ms);

/* Appends the keys that were changed since a clock_ms() time, each as a size_t and its bytes. 0:
 * the log does not go back so far, or all keys were changed. */
int changelog_keys(const struct changelog *l, uint64_t since_ms, struct buf *out);

/* Appends the names that were changed since a clock_boot_ms() time, eight bytes each. 1: all of
 * them. 0: the log does not go back so far. */
int changelog_names(const struct changelog *l, uint64_t since_boot_ms, struct buf *out);

#endif
