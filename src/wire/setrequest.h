/* SPDX-License-Identifier: MIT */
/* setrequest.h - SetRequest: the body of a PUT, with which a node hands another one a value.
 *
 * The same in every fork that has it. The key counts as it stands here, not in the path.
 *
 * Pure functions, any thread. */
#ifndef SETREQUEST_H
#define SETREQUEST_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct setrequest {
    const char *group, *key, *value; /* decoded ones borrow the input, and none is NULL */
    size_t group_len, key_len, value_len;
    int64_t expire_ns; /* Unix time at which the value ends, 0: never */
};

/* Appends it, expire always, as Go's clients do. Returns out->failed. */
enum err setrequest_put(struct buf *out, const struct setrequest *r);

/* ERR_INVAL for bytes that are no protobuf message or lack the group or the key. An absent value is
 * an empty one. */
enum err setrequest_decode(const void *bytes, size_t n, struct setrequest *out, struct error *e);

#endif
