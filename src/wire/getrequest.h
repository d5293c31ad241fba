/* SPDX-License-Identifier: MIT */
/* getrequest.h - GetRequest: what modernprogram's clients may put into the body of a GET.
 *
 * They send it when their caller gave one of two texts for the getter. Group and key are in the
 * path too, and count there.
 *
 * Pure functions, any thread. */
#ifndef GETREQUEST_H
#define GETREQUEST_H

#include <stddef.h>

#include "base/err.h"

struct getrequest {
    const char *group, *key, *ctx1, *ctx2; /* borrow the input; none is NULL */
    size_t group_len, key_len, ctx1_len, ctx2_len;
};

/* ERR_INVAL for bytes that are no protobuf message or lack one of the four. */
enum err getrequest_decode(const void *bytes, size_t n, struct getrequest *out, struct error *e);

#endif
