/* SPDX-License-Identifier: MIT */
/* setrequest.h - SetRequest: the body of a PUT, with which a node hands another one a value.
 *
 * The same in every fork that has it. The key counts as it stands here, not in the path. Read and
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
    const char *group, *key, *value; /* of a message that was read they are in `memory`, not NULL */
    size_t group_len, key_len, value_len;
    int64_t expire_ns; /* Unix time at which the value ends, 0: never */
    void *memory;      /* owned: setrequest_deinit() */
};

/* Appends it, expire always, as Go's clients do. Returns out->failed. */
enum err setrequest_put(struct buf *out, const struct setrequest *r);

/* ERR_INVAL for bytes that are no such message, lack the group or the key, or have more than
 * PBC_MAX_SPARE fields beside; ERR_NOMEM. An absent value is an empty one. After a failure there is
 * nothing to free. */
enum err setrequest_decode(const void *bytes, size_t n, struct setrequest *out, struct error *e);
void setrequest_deinit(struct setrequest *r);

#endif
