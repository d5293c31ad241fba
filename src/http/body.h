/* SPDX-License-Identifier: MIT */
/* body.h - the body of a request, as it comes.
 *
 * Its memory grows with what has come, not with what was announced, and counts in a budget that all
 * bodies of a server share. A body is its connection's thread's, a budget anyone's. */
#ifndef BODY_H
#define BODY_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "http/budget.h"

enum { BODY_SECONDS = 60 }; /* in which all of it has to come */

struct body {
    char *bytes; /* owned; NULL while there is none */
    size_t len, cap, max;
    size_t came;       /* bytes, those that were dropped included */
    size_t announced;  /* bytes that are to come; 0 when its length is not said */
    enum err failed;   /* TOOBIG: over max; BUSY: over the budget; NOMEM. It is empty then */
    uint64_t until_ms; /* clock_ms() time by which it has to be whole */
    struct budget *budget;
};

/* announced as above. */
void body_init(struct body *b, size_t max, size_t announced, struct budget *budget);
void body_deinit(struct body *b);

/* What has come; not NULL. */
static inline const char *body_bytes(const struct body *b)
{
    return b->bytes ? b->bytes : "";
}

/* Some more of it. What does not fit is dropped, and so is all before it; `failed` says why. 0: the
 * connection has to end, since it is too slow, or goes on after it was clearly too much. */
int body_take(struct body *b, const char *bytes, size_t n);

#endif
