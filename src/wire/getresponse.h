/* SPDX-License-Identifier: MIT */
/* getresponse.h - GetResponse: what a node answers to a GET.
 *
 * The forks agree on the value and on nothing else: field 2 is a double, minute_qps, or an int64,
 * expire, which others have in field 3. The wire type tells which it is, so one reader does for
 * all; who writes one says where the dialect has it.
 *
 * It is read and written by hand, since it is in every answer between nodes. One with a value of
 * 100 bytes and an expiry, instructions and ns:
 *
 *             by hand     protobuf-c
 *   read     377   42     1071   93
 *   write    117   14      344   31
 *
 * And by hand no value is copied, however long it is. protobuf-c copies it at both ends, would need
 * the walk of pbc.h besides, and refuses field 2 of the other wire type. The figures are those of
 * bench/guard/messages.c, built by gcc 12.2 with -O2: counted by callgrind as `make guard` does,
 * and the median time of five runs of 5 million. `make guard` watches the read.
 *
 * Pure functions, any thread. */
#ifndef GETRESPONSE_H
#define GETRESPONSE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "wire/pb.h"

struct getresponse {
    const char *value; /* borrows the input; NULL when absent: an empty value is not NULL */
    size_t value_len;
    double minute_qps; /* 0 when absent */
    int64_t expire_ns; /* Unix time at which the value ends, 0: never, or absent */
};

enum { GETRESPONSE_TAIL = 1 + 8 + 1 + PB_VARINT_MAX };

/* ERR_PEER for bytes that are no protobuf message or hold no value. */
enum err getresponse_decode(const void *bytes, size_t n, struct getresponse *out, struct error *e);

/* What stands behind the value: minute_qps unless it is 0, then, for a dialect that has it in that
 * field (1 to 15; 0: it has none), expire. Returns how many bytes. The value's own part is
 * item_wire(); r->value is not looked at. */
size_t getresponse_tail(char out[GETRESPONSE_TAIL], const struct getresponse *r,
                        unsigned expire_field);

#endif
