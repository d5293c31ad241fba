/* SPDX-License-Identifier: MIT */
/* group_many.h - many keys of a group at once.
 *
 * Every key is a get of its own, with its own end. But all of them wait at the same time, and the
 * keys of one owner travel together (loader.hold).
 *
 * The answer is one, when all gets have ended. http/gather.c is the other way to get many keys: it
 * gives each value as it arrives, and begins no key while a slow reader has enough of them. */
#ifndef GROUP_MANY_H
#define GROUP_MANY_H

#include <stddef.h>
#include <stdint.h>

#include "base/key.h"
#include "cache/flight.h"

struct group;
struct many;

/* Who asks for many keys. Both functions are called on any thread, with no lock held, perhaps
 * before group_many_start() returns. */
struct many_caller {
    struct flight *from;             /* as in struct waiter */
    const struct traceparent *trace; /* the same; borrowed for the call */

    /* Called exactly once, when all have ended. */
    void (*done)(void *ctx, struct many *m);

    /* Called for each value, of so many bytes, before it is kept for the caller. 0: there is no
     * room for it, and its get ends with BUSY. NULL: there always is. */
    int (*keep)(void *ctx, size_t bytes);
    void *ctx;
    /* Of all values together: the get of a value beyond it ends with TOOBIG. 0: no bound. */
    size_t max_bytes;
};

/* Starts a get of each of n keys. Copies the caller. Returns the many, for group_many_free(); NULL
 * when there is no memory, and then done is not called. */
struct many *group_many_start(struct group *g, const struct key *keys, size_t n, int from_peer,
                              const struct many_caller *caller);

size_t group_many_count(const struct many *m);

/* How the get of key i ended; valid once done was called or group_many_cancel() returned 1, until
 * group_many_free(). Neither item nor error: the get was cancelled before its end. The item may be
 * packed. */
const struct result *group_many_result(const struct many *m, size_t i);

/* How many bytes its value has, not packed; 0: there is none. */
size_t group_many_bytes(const struct many *m, size_t i);

/* The same result, with the value itself from now on: opened on the caller's thread, not on the one
 * that ended the load. */
const struct result *group_many_open(struct many *m, size_t i);

/* Takes all its waiters off. 1: done was not called and will not be. 0: it was called, or is about
 * to be on another thread. To be called once, and not within done(). */
int group_many_cancel(struct many *m);

/* After done, or after group_many_cancel() returned 1. NULL is fine. */
void group_many_free(struct many *m);

/* Starts and waits, for a thread that may block: at most timeout_ms, 0 for the group's own bound.
 * max_bytes as in struct many_caller. Returns a many that has ended; NULL when there is no memory.
 */
struct many *group_many_wait(struct group *g, const struct key *keys, size_t n, uint64_t timeout_ms,
                             size_t max_bytes);

#endif
