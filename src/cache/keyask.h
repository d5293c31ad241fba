/* SPDX-License-Identifier: MIT */
/* keyask.h - a question to a key function: which key does a client's request have? The server asks,
 * a VM answers. Plain structs. */
#ifndef KEYASK_H
#define KEYASK_H

#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

struct group;

/* What the function is given. `text` has the bytes of the path, then those of the query, then the
 * headers: each a name in lower case and a value, both ended by a NUL. */
struct keyask_request {
    struct buf text;
    size_t path_len, query_len;
};

/* Embedded in what the asker parks. It stays until done(). */
struct keyask {
    struct group *group; /* borrowed */
    struct keyask_request request;

    /* Any thread, once; perhaps before the function that asks returns. */
    void (*done)(struct keyask *a);

    char *key; /* the answer, for mem_free(); NULL: there is none, and `err` says why */
    size_t key_len;
    struct error err;
    int status; /* the HTTP status of `err`, as the function chose it; 0: that of its code */
};

#endif
