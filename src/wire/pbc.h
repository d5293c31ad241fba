/* SPDX-License-Identifier: MIT */
/* pbc.h - messages that protobuf-c's generated code reads and writes, after a walk with pb.
 *
 * By itself protobuf-c keeps every unknown field in an allocation of its own: 1 MB of two-byte
 * fields costs 44 MB. It also refuses messages that Go accepts: if a known field has another wire
 * type, or a tag or a length has more than five bytes.
 *
 * So the walk reads the message first. It refuses a message that is malformed, lacks a required
 * field, or has more than PBC_MAX_SPARE spare fields. A message with spare fields is written anew
 * without them. So protobuf-c sees each known field at most once, but for the repeated one. Its
 * small allocations lie in one block, whose size is known before. An allocation of a kilobyte and
 * more is a chunk of its own, from mem_alloc(), so it may fail. While a list of n fields is read,
 * there are also chunks of 80 bytes a field at most, for protobuf-c's notes.
 *
 * This is for messages that are not hot. They have at most PBC_MAX_FIELDS fields, one of them
 * repeated at most, each a varint or bytes. getresponse.h and batch.h say why their messages are
 * read by hand.
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
    PBC_MAX_FIELDS = 8,       /* of a descriptor */
    PBC_MAX_REPEATED = 10000, /* of its repeated field */
    PBC_MAX_SPARE = 64        /* fields of other numbers or wire types, or present before */
};

/* Reads a message. `name` is its name in errors. Returns the generated struct, which borrows
 * nothing; the caller frees it with pbc_free(). An empty bytes field is NULL. When a field that is
 * not a repeated one is present twice, the last one counts. NULL and e: INVAL or NOMEM. */
void *pbc_unpack(const struct ProtobufCMessageDescriptor *d, const char *name, const void *bytes,
                 size_t n, struct error *e);

/* Frees what pbc_unpack() has returned; NULL is fine. */
void pbc_free(void *message);

/* Appends a message. Returns out->failed. */
enum err pbc_put(struct buf *out, const struct ProtobufCMessage *m);

#endif
