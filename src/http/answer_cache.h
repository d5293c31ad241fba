/* SPDX-License-Identifier: MIT */
/* answer_cache.h - answers that are kept for the next equal request.
 *
 * An answer costs libmicrohttpd some twenty allocations, and some answers are given thousands of
 * times a second. So if a small value is asked for more than once, each HTTP thread keeps the
 * answer until one of its headers would change. That is mostly a second, since most answers have an
 * age. A kept answer always has the value that the cache holds now: it is found only by the item
 * that the cache has just returned.
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

enum { ANSWER_CACHE_MAX_BYTES = 4096 }; /* of the value of a kept answer */

/* All that an answer depends on, besides the time. */
struct answer_cache_look {
    const struct item *item;
    const char *type; /* Content-Type of a client's, compared as a pointer; NULL: a peer's */
    unsigned how;     /* other differences, as bits */
};

/* The kept answer for this look, borrowed, or NULL. */
struct MHD_Response *answer_cache_find(const struct answer_cache_look *look, uint64_t now_ms);

/* No answer was found. Returns whether one is to be kept, since the item was asked for before. */
int answer_cache_wants(const struct answer_cache_look *look);

/* Keeps a wanted answer that holds look->item and is right until that time. r gets a date, and its
 * reference is taken. */
void answer_cache_keep(const struct answer_cache_look *look, struct MHD_Response *r,
                       uint64_t now_ms, uint64_t until_ms);

/* Drops answers that are too old. To be called at the latest at answer_cache_due_ms(), UINT64_MAX
 * for never. */
void answer_cache_sweep(uint64_t now_ms);
uint64_t answer_cache_due_ms(void);

/* Drops everything: the thread ends. */
void answer_cache_deinit(void);

#endif
