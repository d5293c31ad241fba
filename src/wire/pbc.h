/* SPDX-License-Identifier: MIT */
/* pbc.h - messages that protobuf-c's generated code reads and writes, after a walk with pb.
 *
 * By itself protobuf-c keeps every unknown field in an allocation of its own: 1 MB of two-byte
 * fields costs 44 MB. It also refuses messages that Go accepts: if a known field has another wire
 * type, or a tag or a length has more than five bytes.
 *
 * So the walk reads the message first. It refuses a message that is malformed, lacks a required
 * field, or has more than PBC_MAX_SPARE spare fields. A message with spare fields is written anew
 * without them. So protobuf-c sees each known field at most once. Its allocations all lie in one
 * block, whose size is known before: the message's own bytes and a few hundred more.
 *
 * This is for messages that are not hot. They have at most PBC_MAX_FIELDS fields, none repeated,
 * each a varint or bytes. getresponse.h and batch.h say why their messages are read by hand.
 *
 * Pure functions, any thread. */
#ifndef PBC_H
#define PBC_H

#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

struct ProtobufCMessage;
struct ProtobufCMessageDescriptor;

enum {
    PBC_MAX_FIELDS = 8, /* of a descriptor */
    PBC_MAX_SPARE =
        64 /* spare fields: of other numbers or wire types, and repeated ones but the last */
};

/* Reads a message. `name` is its name in errors. Returns the generated struct, which borrows
 * nothing; the caller frees it with mem_free(). An empty bytes field is NULL. When a field is
 * repeated, the last one counts. NULL and e: INVAL or NOMEM. */
void *pbc_unpack(const struct ProtobufCMessageDescriptor *d, const char *name, const void *bytes,
                 size_t n, struct error *e);

/* Appends a message. Returns out->failed. */
enum err pbc_put(struct buf *out, const struct ProtobufCMessage *m);

#endif
