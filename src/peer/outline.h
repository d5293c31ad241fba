/* SPDX-License-Identifier: MIT */
/* outline.h - a short text of what a ring is made of, the value of HEADER_VIEW. Pure functions, any
 * thread. */
#ifndef OUTLINE_H
#define OUTLINE_H

#include <stddef.h>
#include <stdint.h>

#include "wire/dialect.h"

enum {
    OUTLINE_TEXT = DIALECT_VIEW_BYTES,
    OUTLINE_WHY = 200 /* room for words about what differs, with their NUL */
};

/* What a ring is made of, beside its peers. */
struct outline {
    enum dialect dialect;
    enum hash_kind hash;
    uint64_t replicas;
    const char *base_path;
};

/* Writes the text of a ring: of the settings, and of n peers by their names on the ring. The order
 * of the names makes no difference. */
void outline_put(const struct outline *o, const char *const *names, size_t n,
                 char out[OUTLINE_TEXT]);

/* Writes what differs between two texts, ours first; "" if nothing does. */
void outline_explain(const char *ours, const char *theirs, char out[OUTLINE_WHY]);

#endif
