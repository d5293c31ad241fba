/* SPDX-License-Identifier: MIT */
/* manner.h - the three ways in which an adaptive cache evicts.
 *
 * A cache has three lists, each in order of use. New items come into the window. When the window
 * has more than its share, its oldest item is compared with the main part's next victim: the item
 * with fewer uses is evicted, the other is in the main part now. The main part begins with
 * probation. A use there moves an item to the protected list, which has four fifths of the main
 * part at most; its oldest items return to probation. This is W-TinyLFU (Einziger, Eytan, Friedman,
 * Manes: "Adaptive Software Cache Management", Middleware 2018).
 *
 *   strict   a window of 1 %, counts up to 15, a tie is for the old item. Best for loops and scans.
 *   lenient  a window of 20 %, counts up to 3, a tie is for the new item. As S3-FIFO (Yang et al.,
 *            "FIFO queues are all you need for cache eviction", SOSP 2023): small counts forget
 *            soon, so a new working set gets in.
 *   recent   the window is all: the least recently used item is evicted. */
#ifndef MANNER_H
#define MANNER_H

#include <stdint.h>

enum manner { MANNER_STRICT, MANNER_LENIENT, MANNER_RECENT, MANNERS };

enum manner_list { LIST_WINDOW, LIST_PROTECTED, LIST_PROBATION, MANNER_LISTS };

enum { MANNER_STEPS = 8 /* items moved between lists in one call, at most */ };

/* The bytes of the window, of so many of the cache. */
static inline uint64_t manner_window(enum manner m, uint64_t bytes)
{
    return m == MANNER_STRICT ? bytes / 100 : m == MANNER_LENIENT ? bytes / 5 : bytes;
}

/* The bytes of the protected list, at most, of so many of the cache. */
static inline uint64_t manner_protected(enum manner m, uint64_t bytes)
{
    return (bytes - manner_window(m, bytes)) / 5 * 4;
}

/* 1: the window's oldest item stays in place of the main part's next victim. */
static inline int manner_admits(enum manner m, unsigned candidate_uses, unsigned victim_uses)
{
    if (m == MANNER_LENIENT)
        return victim_uses <= candidate_uses || candidate_uses >= 3;
    return candidate_uses > victim_uses;
}

/* A use moves an item to another list if its list comes after this one: from probation to the
 * protected list, or with recent from any to the window. */
static inline enum manner_list manner_settled(enum manner m)
{
    return m == MANNER_RECENT ? LIST_WINDOW : LIST_PROTECTED;
}

#endif
