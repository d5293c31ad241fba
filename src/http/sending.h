/* SPDX-License-Identifier: MIT */
/* sending.h - the large answers that a server is sending, and the memory that their readers hold.
 *
 * An answer is sent from a value's own memory. While its value is in a cache it costs nothing. If
 * the value was evicted, or never stored, only its readers hold it, and slow readers of many such
 * values would hold any amount of memory. So all answers together may hold SENDING_BYTES beside the
 * caches. If a new answer does not fit, readers that are slower than SENDING_LEAST_BYTES_A_MS are
 * closed, the slowest first. If all readers are fast enough, the new answer is refused. One answer
 * alone may be larger than the bound.
 *
 * Answers below SENDING_LEAST are not counted: the kernel takes most of them at once. Any thread.
 */
#ifndef SENDING_H
#define SENDING_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/list.h"

struct guest;
struct item;
struct sending;
struct tally;

enum {
    SENDING_LEAST = 16 * 1024,
    SENDING_BYTES = 64 * 1000 * 1000,
    SENDING_LEAST_BYTES_A_MS = 100,
    SENDING_BUCKETS = 256
};

struct sendings {
    pthread_mutex_t mu;
    struct tally *tally; /* borrowed */
    size_t bytes;        /* guarded by mu, as is all below: of all answers, each value once */
    struct list all;     /* oldest first */
    uint64_t next_ms;    /* no look at all readers before, for a new answer */
    uint64_t look_ms;    /* sendings_tick()'s next look */
    struct sending *by_item[SENDING_BUCKETS];
};

void sendings_init(struct sendings *ss, struct tally *tally);
void sendings_deinit(struct sendings *ss);

/* Notes that n bytes are sent to g: of the item, or bytes that are freed with mem_free(). Takes the
 * reference or the bytes, unless it returns NULL and e: BUSY, NOMEM. Sets the guest's
 * deadline, so it is called on the guest's thread. */
struct sending *sending_new(struct sendings *ss, struct guest *g, struct item *it, char *bytes,
                            size_t n, struct error *e);

/* The answer was sent, or its connection ends; the descriptor is still open. A callback of
 * libmicrohttpd. */
void sending_free(void *sending);

/* To be called a few times a second: closes the slowest readers if more than SENDING_BYTES are held
 * beside the caches, since values were evicted meanwhile. */
void sendings_tick(struct sendings *ss, uint64_t now_ms);

/* Bytes that are held beside the caches. */
size_t sendings_held(struct sendings *ss);

#endif
