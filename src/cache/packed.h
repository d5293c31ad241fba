/* SPDX-License-Identifier: MIT */
/* packed.h - values that are kept compressed, in a form that clients of HTTP take: gzip or zstd.
 *
 * The bytes of such an item are the compressed ones, and its extras say so (EXTRA_PACKED). Nodes of
 * ours give each other the item as it is. Whoever wants the value itself opens the item first.
 * Only packed.c includes the headers of the libraries.
 *
 * Any thread. Compressing takes some 4 ms a MB with zstd, and some 30 ms with gzip. */
#ifndef PACKED_H
#define PACKED_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "cache/extra.h"

struct item;

enum packed_coding { PACKED_NOT, PACKED_GZIP, PACKED_ZSTD };

enum {
    PACKED_LEAST = 1000,     /* bytes of a value; a smaller one fits into a packet */
    PACKED_AT_ONCE = 256000, /* bytes of a value that a thread compresses which has no time */
    PACKED_SAVES = 8         /* the form must be smaller by one part in so many */
};

/* The word of Content-Encoding; NULL: there is no such coding, or this build lacks it. */
const char *packed_name(enum packed_coding coding);

/* A compressed copy of the bytes, which mem_free() frees, of *out_n bytes. NULL: it is hardly
 * smaller, or there is no memory. */
char *packed_make(enum packed_coding coding, const void *bytes, size_t n, size_t *out_n);

/* Whether a value with these extras may be compressed: it is not encoded, and has no
 * "Cache-Control: no-transform" (RFC 9110, 7.7). */
int packed_may(const char *extra, size_t n);

/* The coding of an item; PACKED_NOT for most. */
enum packed_coding packed_of(const struct item *it);

/* How many bytes the value itself has. */
size_t packed_plain_bytes(const struct item *it);

/* A reference to an item with the value itself: to this one if it is not packed, else to a new one,
 * which is in no cache. NULL and e: NOMEM; GETTER, the bytes are broken or this build lacks the
 * coding. */
struct item *packed_open(struct item *it, struct error *e);

#endif
