/* SPDX-License-Identifier: MIT */
/* dialect.h - how the members of the groupcache family differ on the wire: paths, escaping,
 * status codes.
 *
 * Pure functions, any thread. A cluster speaks one dialect. */
#ifndef DIALECT_H
#define DIALECT_H

#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

enum dialect {
    DIALECT_GOLANG, /* golang/groupcache, the original */
    DIALECT_COUNT
};

/* Headers with which our own nodes say more than the dialect can; Go nodes ignore them. */
#define HEADER_FROM "X-Groupcache-From" /* request: the asking node's own URL */
#define HEADER_CODE "X-Groupcache-Code" /* error answer: the code's name */
#define HEADER_TTL                                                                                 \
    "X-Groupcache-Ttl" /* answer: milliseconds the value has left, or for which                    \
                        * NOTFOUND may be kept */
#define HEADER_NODE                                                                                \
    "X-Groupcache-Node" /* answer to a request with HEADER_FROM, and to a batch: it                \
                         * is one of ours, and takes batches (batch.h) */
#define HEADER_STALE "X-Groupcache-Stale" /* answer: the value is past its ttl */

#define DIALECT_CONTENT_TYPE "application/x-protobuf"

const char *dialect_name(enum dialect d);

/* -1 for a name that is none. */
int dialect_from_name(const char *name);

/* A group and a key, decoded. Both borrow the scratch memory they were decoded into. */
struct dialect_target {
    const char *group, *key;
    size_t group_len, key_len;
};

enum dialect_parse {
    DIALECT_OK,
    DIALECT_NO_KEY,    /* there is no "group/key" */
    DIALECT_BAD_ESCAPE /* a percent sign without two hex digits, or a raw control byte */
};

/* Splits what follows the base path of a request target (query excluded) at its first slash, then
 * decodes each part once. scratch has room for n bytes. */
enum dialect_parse dialect_parse(enum dialect d, const char *path, size_t n, char *scratch,
                                 struct dialect_target *out);

/* Appends "group/key", escaped so that every server of the family decodes the same bytes. */
enum err dialect_put_target(struct buf *out, const char *group, size_t group_len, const void *key,
                            size_t key_len);

/* The status with which a peer is told of an error of a load. */
int dialect_status(enum dialect d, enum err code);

#endif
