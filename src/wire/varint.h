/* SPDX-License-Identifier: MIT */
/* varint.h - the parts that every protobuf message is made of, for the codecs of this folder.
 *
 * https://protobuf.dev/programming-guides/encoding/ has them. */
#ifndef VARINT_H
#define VARINT_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum wire_type { VARINT = 0, FIXED64 = 1, BYTES = 2, GROUP_START = 3, GROUP_END = 4, FIXED32 = 5 };

enum { MAX_FIELD = (1 << 29) - 1, VARINT_BYTES = 10 };

struct cursor {
    const unsigned char *at, *end;
};

/* One field: a varint's value, or where its bytes are (8 and 4 of the fixed ones). */
struct field {
    uint64_t number;
    enum wire_type type;
    uint64_t value;
    const unsigned char *bytes;
    size_t n;
};

/* 0 when the input ends in it or it does not fit 64 bits. */
int get_varint(struct cursor *c, uint64_t *out);

/* 0 for malformed input, and for groups: no message of the family has them. */
int get_field(struct cursor *c, struct field *out);

/* Writes at most VARINT_BYTES to out and returns how many. */
size_t put_varint(unsigned char *out, uint64_t v);

/* Append a field. */
enum err put_number(struct buf *out, unsigned field, uint64_t v);
enum err put_bytes(struct buf *out, unsigned field, const void *bytes, size_t n);

#endif
