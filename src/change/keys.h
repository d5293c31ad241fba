/* SPDX-License-Identifier: MIT */
/* keys.h - a list of keys and their bytes, in one allocation. One thread at a time. */
#ifndef KEYS_H
#define KEYS_H

#include <stddef.h>

#include "base/err.h"
#include "base/key.h"

struct keys {
    struct key *list;
    size_t n;
};

/* Copies n keys. NOMEM leaves *out empty. */
enum err keys_copy(struct keys *out, const struct key *keys, size_t n);
void keys_free(struct keys *k);

#endif
