/* SPDX-License-Identifier: MIT */
/* snapshot_parts.h - puts the items of a snapshot back into the groups: each group's part is taken
 * if all changes since are known, without the keys that were changed. The node's thread. */
#ifndef SNAPSHOT_PARTS_H
#define SNAPSHOT_PARTS_H

#include <stdint.h>

struct journal;
struct group;
struct groups;
struct peers;
struct snapshot_reader;

struct snapshot_facts {
    struct journal *journal; /* the node's own */
    struct peers *(*peers_of)(const struct group *g);
    const char *dialect; /* the node's */
    int same_start;      /* 1: since_ms is a time of this start of the machine */
    uint64_t since_ms;   /* clock_boot_ms() at which the snapshot was begun */
    uint64_t age_ms;     /* for how long ago */
    uint64_t until_ms;   /* clock_real_ms(): the reading ends then */
};

/* Reads all, and logs what it did with it. */
void snapshot_parts_read(struct snapshot_reader *r, struct groups *groups,
                         const struct snapshot_facts *f);

#endif
