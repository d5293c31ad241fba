/* SPDX-License-Identifier: MIT */
/* snapshot_read.h - reads a snapshot (snapshot.h), a block at a time. One thread. */
#ifndef SNAPSHOT_READ_H
#define SNAPSHOT_READ_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "store/snapshot.h"

struct snapshot_reader;

/* A record and its block; the bytes are borrowed until the next one is read. */
struct snapshot_entry {
    const struct snapshot_block *block;
    const char *group; /* block->name_len bytes */
    struct snapshot_record record;
    const char *key, *value;
    const char *extra; /* not checked */
    uint32_t extra_len;
};

/* NULL and e: NOTFOUND: there is no such file. INVAL: it is no snapshot of this version and byte
 * order, or its head is damaged. */
struct snapshot_reader *snapshot_read_open(const char *path, struct error *e);
void snapshot_read_close(struct snapshot_reader *r); /* NULL is fine */

const struct snapshot_head *snapshot_read_head(const struct snapshot_reader *r);

/* For how long ago the head was written, in *age_ms: by the clock of this start of the machine, and
 * else by the wall clock. INVAL: it is from the future, so one of the clocks is wrong. */
enum err snapshot_read_age(const struct snapshot_reader *r, uint64_t *age_ms, struct error *e);

/* 1: *out is the next record. 0: there are no more. -1 and e: the rest is damaged or missing. */
int snapshot_read_next(struct snapshot_reader *r, struct snapshot_entry *out, struct error *e);

/* The file is no longer that of a node that has ended: changes may follow which it lacks. Returns
 * when that is on the disk. */
enum err snapshot_read_spoil(const char *path, struct error *e);

#endif
