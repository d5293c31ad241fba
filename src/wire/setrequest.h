/* SPDX-License-Identifier: MIT */
/* setrequest.h - SetRequest: the body of a PUT, by which a node sends a value to another node.
 *
 * It is the same in every fork that has it. The key is taken from here, not from the path. Read and
 * written by protobuf-c (pbc.h).
 *
 * Pure functions, any thread. */
#ifndef SETREQUEST_H
#define SETREQUEST_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct setrequest {
    const char *group, *key, *value; /* not NULL; of a message that was read they are in `memory` */
    size_t group_len, key_len, value_len;
    int64_t expire_ns; /* Unix time at which the value expires; 0: never */
    void *memory;      /* owned: setrequest_deinit() */
};

/* Appends it, always with expire, as Go's clients do. Returns out->failed. */
enum err setrequest_put(struct buf *out, const struct setrequest *r);

/* ERR_INVAL: the bytes are no such message, lack the group or the key, or have more than
 * PBC_MAX_SPARE other fields. ERR_NOMEM. An absent value is empty. After a failure there is nothing
 * to free. */
enum err setrequest_decode(const void *bytes, size_t n, struct setrequest *out, struct error *e);
void setrequest_deinit(struct setrequest *r);

#endif
