/* SPDX-License-Identifier: MIT */
/* getrequest.h - GetRequest: what modernprogram's clients may put into the body of a GET.
 *
 * They send it when their caller gave one of two texts for the getter. Group and key are in the
 * path too, and count there; the texts are not used. So a message is only judged, by protobuf-c
 * (pbc.h).
 *
 * Pure functions, any thread. */
#ifndef GETREQUEST_H
#define GETREQUEST_H

#include <stddef.h>

#include "base/err.h"

/* ERR_INVAL for bytes that are no such message, lack one of group, key, ctx1 and ctx2, or have more
 * than PBC_MAX_SPARE fields beside; ERR_NOMEM. */
enum err getrequest_check(const void *bytes, size_t n, struct error *e);

#endif
