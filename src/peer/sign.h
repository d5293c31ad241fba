/* SPDX-License-Identifier: MIT */
/* sign.h - the proof of this node in its requests to peers (wire/auth.h). Any thread. */
#ifndef SIGN_H
#define SIGN_H

#include <stddef.h>

#include "base/err.h"

struct buf;
struct peer;

/* Appends the header line for a request to that URL of the peer, with its NUL. n bytes of body; 0:
 * none. Appends nothing if this node has no secret. */
enum err sign_put(struct buf *out, const struct peer *peer, const char *method, const char *url,
                  const void *body, size_t n);

#endif
