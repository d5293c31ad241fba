/* SPDX-License-Identifier: MIT */
/* ghosts.h - how often keys were used that a cache has no more: three for two items, in 2
 * bytes each.
 *
 * A row has four cells of 16 bits: 12 bits of the key's hash and its uses. A new one pushes out the
 * oldest of its row. So a key that was never here is taken for a ghost once in a thousand times.
 * It has no lock: the caller's mutex guards it. */
#ifndef GHOSTS_H
#define GHOSTS_H

#include <stddef.h>
#include <stdint.h>

struct ghosts {
    uint64_t *rows; /* owned; NULL: nothing is remembered */
    uint32_t n;
};

/* Makes room for the ghosts of so many items. If there is room for half to four times as many,
 * nothing changes; else all are forgotten. Without memory nothing is remembered. */
void ghosts_fit(struct ghosts *g, size_t items);
void ghosts_deinit(struct ghosts *g);

/* Remembers the uses of a key, at most 15. */
void ghosts_note(struct ghosts *g, uint32_t hash, unsigned uses);

/* Its uses; 0: it is not remembered. */
unsigned ghosts_uses(const struct ghosts *g, uint32_t hash);

size_t ghosts_bytes(const struct ghosts *g);

#endif
