/* SPDX-License-Identifier: MIT */
/* getrequest.h - GetRequest: the body that modernprogram's clients may send with a GET.
 *
 * They send it when their caller gave a text for the getter, ctx1 or ctx2. Group and key are taken
 * from the path, and the texts are not used. So a message is only checked, by protobuf-c (pbc.h).
 *
 * Pure functions, any thread. */
#ifndef GETREQUEST_H
#define GETREQUEST_H

#include <stddef.h>

#include "base/err.h"

/* ERR_INVAL: the bytes are no such message, lack group, key, ctx1 or ctx2, or have more than
 * PBC_MAX_SPARE other fields. ERR_NOMEM. */
enum err getrequest_check(const void *bytes, size_t n, struct error *e);

#endif
