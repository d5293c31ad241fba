/* SPDX-License-Identifier: MIT */
/* changed.h - the keys that were changed lately, for nodes that were not told of it.
 *
 * The log is bounded by the number and the bytes of keys. If one is dropped, all that is known of
 * the time before is that something was changed.
 *
 * One thread at a time: guarded by the group's mutex. */
#ifndef CHANGED_H
#define CHANGED_H

#include <stddef.h>
#include <stdint.h>

#include "base/list.h"

struct buf;

enum { CHANGED_KEYS = 1000, CHANGED_BYTES = 64 * 1024 };

struct changed {
    struct list keys; /* oldest first */
    size_t n, bytes;
    uint64_t lost_ms; /* the log is complete behind this clock_ms() time */
};

void changed_init(struct changed *r);
void changed_deinit(struct changed *r);

/* The key was changed now. Without memory, the log forgets all keys. */
void changed_note(struct changed *r, const void *key, size_t n, uint64_t now_ms);

/* All keys were. */
void changed_note_all(struct changed *r, uint64_t now_ms);

/* Whether the key was changed since then, or may have been. */
int changed_has(const struct changed *r, const void *key, size_t n, uint64_t since_ms);

/* Appends the keys that were changed since then, each as a size_t and its bytes. 0: the log does
 * not go back so far. */
int changed_put(const struct changed *r, uint64_t since_ms, struct buf *out);

#endif
