/* SPDX-License-Identifier: MIT */
/* snapshot.h - the form of a snapshot: the items of a node's groups in one file.
 *
 *   head    struct snapshot_head
 *   blocks  struct snapshot_block, the name of a group, and records: struct snapshot_record, key,
 *           value; with SNAPSHOT_EXTRA the length of the extras (cache/extra.h), 4 bytes, and
 *           their bytes. Each block has its own checksum, and items of one group
 *   end     a block without items, whose records are the number of all items, 8 bytes
 *
 * Numbers have the byte order of the machine, which the head names. The reader takes each block
 * that is whole, and stops at the first that is not. Plain structs. */
#ifndef SNAPSHOT_H
#define SNAPSHOT_H

#include <stdint.h>

#include "base/boot.h"

#define SNAPSHOT_MAGIC "GCSNAP\r\n"

enum {
    SNAPSHOT_VERSION = 2, /* 1 had no extras, and is read, too */
    SNAPSHOT_ORDER = 0x01020304,
    SNAPSHOT_BLOCK = 0x4b4c4247,                /* "GBLK" */
    SNAPSHOT_MOST_BYTES = (1 << 30) + (1 << 20) /* of a block: the largest item and its key */
};

struct snapshot_head {
    char magic[8];
    uint32_t order, version;
    char boot[BOOT_BYTES]; /* the start of the machine; "": unknown */
    uint64_t boot_ms;      /* clock_boot_ms() at which the walk over the items began */
    uint64_t wall_ms;      /* the same by the wall clock */
    uint64_t dialect;      /* a number of its name */
    uint64_t clean;        /* 1: the node had ended, so no change is missing */
    uint64_t sum;          /* hash_murmur64() of all above */
};

struct snapshot_block {
    uint32_t mark, n_items;
    uint32_t bytes;    /* behind this head: the name and the records */
    uint32_t name_len; /* of the group */
    uint64_t shared;   /* 1: other nodes had the group, too */
    uint64_t content;  /* a number of the group's content type: other values are of no use */
    uint64_t sum;      /* of all above, then of the bytes */
};

enum { SNAPSHOT_NEGATIVE = 1, SNAPSHOT_MORTAL = 2, SNAPSHOT_EXTRA = 4 };

struct snapshot_record {
    uint32_t key_len, value_len;
    uint32_t age_s; /* of the value, at boot_ms */
    uint32_t flags;
    int64_t left_ms; /* of a mortal one, at boot_ms: until it is stale */
};

#endif
