/* SPDX-License-Identifier: MIT */
/* getresponse.h - GetResponse: a node's answer to a GET.
 *
 * The forks agree only on the value. Field 2 is minute_qps, a double, or expire, an int64; some
 * forks have expire in field 3. The wire type tells which, so one reader reads them all. The writer
 * is told the dialect's field.
 *
 * It is read and written by hand, since every answer between nodes has one. With a value of 100
 * bytes and an expiry, instructions and ns:
 *
 *             by hand     protobuf-c
 *   read     377   42     1071   93
 *   write    117   14      344   31
 *
 * And by hand no value is copied, however long it is. protobuf-c copies it at both ends, would also
 * need the walk of pbc.h, and refuses field 2 of the other wire type. The figures are those of
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
    int64_t expire_ns; /* Unix time at which the value expires; 0: never, or absent */
    const char *extra; /* what the value has beside its bytes; between our own nodes alone */
    size_t extra_len;  /* 0: absent */
};

enum {
    GETRESPONSE_EXTRA = 1000, /* the number of a field that no fork has: extra, bytes */
    GETRESPONSE_TAIL = 1 + 8 + 1 + PB_VARINT_MAX + 2 * PB_VARINT_MAX
};

/* ERR_PEER: the bytes are no protobuf message, or hold no value. */
enum err getresponse_decode(const void *bytes, size_t n, struct getresponse *out, struct error *e);

/* Writes the fields behind the value: minute_qps unless it is 0, then expire, in the field of that
 * number (1 to 15; 0: the dialect has none). If extra_len is not 0, the head of the extras is last,
 * and their bytes must follow. Returns the number of bytes. The value's own part is item_wire();
 * r->value is not used. */
size_t getresponse_tail(char out[GETRESPONSE_TAIL], const struct getresponse *r,
                        unsigned expire_field);

#endif
