/* SPDX-License-Identifier: MIT */
/* body.h - the body of a request, read piece by piece.
 *
 * Its memory grows with the bytes that have arrived, not with the announced length. It counts in a
 * budget that all bodies of a server share. A body belongs to its connection's thread, a budget to
 * all threads. */
#ifndef BODY_H
#define BODY_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "http/budget.h"

enum { BODY_SECONDS = 60 }; /* the whole body must arrive within */

struct body {
    char *bytes; /* owned; NULL without a body */
    size_t len, cap, max;
    size_t came;       /* bytes, with dropped ones */
    size_t announced;  /* announced bytes; 0: unknown */
    enum err failed;   /* TOOBIG: above max; BUSY: above the budget; NOMEM. Then it is empty */
    uint64_t until_ms; /* clock_ms() time by which it must be whole */
    struct budget *budget;
};

/* announced as above. */
void body_init(struct body *b, size_t max, size_t announced, struct budget *budget);
void body_deinit(struct body *b);

/* Frees the bytes of a body that has been read. The budget counts them on, for what was made of
 * them. */
void body_forget(struct body *b);

/* The bytes that have arrived; not NULL. */
static inline const char *body_bytes(const struct body *b)
{
    return b->bytes ? b->bytes : "";
}

/* Adds a piece. If it does not fit, the whole body is dropped, and `failed` says why. 0: the
 * connection must end, since the body is too slow or far too large. */
int body_take(struct body *b, const char *bytes, size_t n);

#endif
