/* SPDX-License-Identifier: MIT */
/* pb.h - protobuf's wire format: the fields of a message, one after another, read without
 * allocating and written into a buf.
 *
 * pb_next() returns every field with its wire type, and the caller uses the fields that it knows,
 * as Go does. Groups are refused; no message of the family has them. Messages that are not hot are
 * only checked with it, before protobuf-c reads them (pbc.h).
 *
 * Pure functions, any thread. */
#ifndef PB_H
#define PB_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum pb_type { PB_VARINT = 0, PB_FIXED64 = 1, PB_BYTES = 2, PB_FIXED32 = 5 };

enum { PB_VARINT_MAX = 10 /* bytes of a varint */ };

/* The unread rest of a message. */
struct pb {
    const unsigned char *at, *end;
};

struct pb_field {
    uint32_t number;
    enum pb_type type;
    uint64_t varint; /* PB_VARINT */
    const char
        *bytes; /* PB_BYTES: borrows the message, not NULL; also of PB_FIXED64 and PB_FIXED32 */
    size_t len;
};

void pb_init(struct pb *pb, const void *bytes, size_t n);

/* Reads the next field into f. 1: there is one; 0: the message has ended; -1: it is malformed, and
 * nothing more can be read. */
int pb_next(struct pb *pb, struct pb_field *f);

/* The reader's place, from the message's start. */
size_t pb_offset(const struct pb *pb, const void *bytes);

/* The length of a field as it is written here: with the shortest tag and length. */
size_t pb_field_size(const struct pb_field *f);

/* Append a field. A failed append shows in out->failed. */
void pb_put_field(struct buf *out, const struct pb_field *f);
void pb_put_bytes(struct buf *out, uint32_t number, const void *bytes, size_t n);
void pb_put_int64(struct buf *out, uint32_t number, int64_t value);
void pb_put_double(struct buf *out, uint32_t number, double value);

/* Writes a varint and returns its length. */
size_t pb_write_varint(char out[PB_VARINT_MAX], uint64_t value);

/* The bytes of a PB_FIXED64 as a double, and back. */
double pb_read_double(const char bytes[8]);
void pb_write_double(char out[8], double value);

#endif
