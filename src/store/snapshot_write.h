/* SPDX-License-Identifier: MIT */
/* snapshot_write.h - writes a snapshot (snapshot.h) while the node serves.
 *
 * The items are immutable, so a reference is a copy. Some references at a time are taken under the
 * group's mutex; their bytes are written outside. There is no fork: each hit writes into its item,
 * so nearly all pages would be copied. The file is PATH.new, and takes the place of PATH once it is
 * whole and on the disk. One thread. */
#ifndef SNAPSHOT_WRITE_H
#define SNAPSHOT_WRITE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct group;
struct snapshot_writer;

struct snapshot_write_opts {
    const char *path;       /* borrowed until the end, as is the next */
    const char *dialect;    /* its name */
    int clean;              /* 1: the node has ended */
    int slowly;             /* 1: rests as long as it works, since the node serves */
    int (*stop)(void *ctx); /* asked between blocks: 1 ends the writing with CLOSED */
    void *ctx;
};

/* NULL and e: the file cannot be made. */
struct snapshot_writer *snapshot_write_open(const struct snapshot_write_opts *o, struct error *e);

/* Writes the items of a group; `shared` says whether other nodes have it. */
enum err snapshot_write_group(struct snapshot_writer *w, struct group *g, int shared,
                              struct error *e);

/* Puts the file into its place, and frees. On an error the old file stays. */
enum err snapshot_write_end(struct snapshot_writer *w, struct error *e);

/* Removes the unfinished file, and frees. NULL is fine. */
void snapshot_write_drop(struct snapshot_writer *w);

uint64_t snapshot_write_items(const struct snapshot_writer *w);
uint64_t snapshot_write_bytes(const struct snapshot_writer *w);

#endif
