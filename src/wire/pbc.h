/* SPDX-License-Identifier: MIT */
/* pbc.h - messages that protobuf-c's generated code reads and writes, behind pb's walk.
 *
 * Left alone, protobuf-c keeps every unknown field in an allocation of its own: a megabyte of
 * two-byte fields costs forty-four. It also refuses messages that Go takes: those in which a known
 * field has another wire type, and those with a tag or a length of more than five bytes.
 *
 * So the walk looks at the message first. It refuses what is malformed, what lacks a required
 * field, and what has more than PBC_MAX_SPARE fields that the message does not need. A message that
 * has something to spare is written anew, without it. protobuf-c then sees each known field at most
 * once, and all that it makes of them lies in one block of a size that is known before: the
 * message's own bytes and a few hundred more.
 *
 * This is for messages that are not hot. Their fields are single, of a varint or bytes, at most
 * PBC_MAX_FIELDS of them. getresponse.h and batch.h say why theirs are read by hand.
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
    PBC_MAX_SPARE = 64  /* fields of other numbers or wire types, and all but the last of one */
};

/* Reads a message. `name` is what an error calls it. Returns the generated struct, which the caller
 * frees with mem_free() and which borrows nothing; an empty bytes field has NULL in it. Of several
 * fields of one number the last counts. NULL and e: INVAL, or NOMEM. */
void *pbc_unpack(const struct ProtobufCMessageDescriptor *d, const char *name, const void *bytes,
                 size_t n, struct error *e);

/* Appends a message. Returns out->failed. */
enum err pbc_put(struct buf *out, const struct ProtobufCMessage *m);

#endif
