/* SPDX-License-Identifier: MIT */
/* recent.h - the keys that were changed lately, for nodes that were not told of it.
 *
 * The log is bounded by the number and the bytes of keys. If one is dropped, all that is known of
 * the time before is that something was changed.
 *
 * One thread at a time: guarded by the group's mutex. */
#ifndef RECENT_H
#define RECENT_H

#include <stddef.h>
#include <stdint.h>

#include "base/list.h"

struct buf;

enum { RECENT_KEYS = 1000, RECENT_BYTES = 64 * 1024 };

struct recent {
    struct list keys; /* oldest first */
    size_t n, bytes;
    uint64_t lost_ms; /* the log is complete behind this clock_ms() time */
};

void recent_init(struct recent *r);
void recent_deinit(struct recent *r);

/* The key was changed now. Without memory, the log forgets all keys. */
void recent_note(struct recent *r, const void *key, size_t n, uint64_t now_ms);

/* All keys were. */
void recent_note_all(struct recent *r, uint64_t now_ms);

/* Whether the key was changed since then, or may have been. */
int recent_has(const struct recent *r, const void *key, size_t n, uint64_t since_ms);

/* Appends the keys that were changed since then, each as a size_t and its bytes. 0: the log does
 * not go back so far. */
int recent_put(const struct recent *r, uint64_t since_ms, struct buf *out);

#endif
