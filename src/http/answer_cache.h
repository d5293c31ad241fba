/* SPDX-License-Identifier: MIT */
/* answer_cache.h - answers that are kept for the next equal request.
 *
 * Making an answer costs libmicrohttpd some twenty allocations, and some answers are given
 * thousands of times a second. So each HTTP thread keeps answers to gets of small values that were
 * asked for more than once, until one of their headers would change: mostly for a second, since
 * most have an age. A kept answer always has the value that the cache holds now: it is only found
 * by the very item that the cache has just returned.
 *
 * A kept answer holds its item, which may have been removed from the cache. So kept answers are few
 * and small, and answer_cache_sweep() drops them within two seconds.
 *
 * HTTP threads only, each for itself. */
#ifndef ANSWER_CACHE_H
#define ANSWER_CACHE_H

#include <stdint.h>

struct item;
struct MHD_Response;

enum { ANSWER_CACHE_MAX_BYTES = 4096 }; /* of the value of such an item */

/* The things that an answer depends on, besides the time. */
struct answer_cache_look {
    const struct item *item;
    const char *type; /* Content-Type of a client's, compared as a pointer; NULL: a peer's */
    unsigned how;     /* other differences, as bits */
};

/* The kept answer for this look, borrowed; NULL: none. */
struct MHD_Response *answer_cache_find(const struct answer_cache_look *look, uint64_t now_ms);

/* Offers an answer that holds look->item, and is right until then. 1: it was asked for before, and
 * the reference to r is taken; r is given a date. */
int answer_cache_offer(const struct answer_cache_look *look, struct MHD_Response *r,
                       uint64_t now_ms, uint64_t until_ms);

/* To be called at the latest at answer_cache_due_ms(), UINT64_MAX for never: drops what is too old.
 */
void answer_cache_sweep(uint64_t now_ms);
uint64_t answer_cache_due_ms(void);

/* Drops everything: the thread ends. */
void answer_cache_deinit(void);

#endif
