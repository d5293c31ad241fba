/* SPDX-License-Identifier: MIT */
/* getresponse.h - reads a peer's GetResponse without allocating anything.
 *
 * protobuf-c's unpack keeps every unknown field in an allocation of its own, so that a megabyte of
 * two-byte fields costs forty-four; and it refuses the message when one fork gives a field number
 * another wire type. Here unknown fields and unexpected wire types are stepped over, as Go does,
 * and the value is a pointer into the bytes that came. Groups, which no message of the family has,
 * are refused. */
#ifndef GETRESPONSE_H
#define GETRESPONSE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct getresponse {
    const char *value; /* borrows the input; NULL when absent: an empty value is not NULL */
    size_t value_len;
    double minute_qps; /* 0 when absent */
};

/* ERR_PEER for bytes that are no protobuf message or hold no value. */
enum err getresponse_decode(const void *bytes, size_t n, struct getresponse *out, struct error *e);

#endif
