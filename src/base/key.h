/* SPDX-License-Identifier: MIT */
/* key.h - keys as they lie in somebody else's memory: any bytes, NUL among them. Plain structs, any
 * thread. */
#ifndef KEY_H
#define KEY_H

#include <stddef.h>
#include <stdint.h>

struct key {
    const char *bytes; /* borrowed */
    size_t n;
};

/* A key by which items and flights are found. group_key() makes it. */
struct key_ref {
    const char *bytes; /* borrowed */
    size_t n;
    uint32_t hash; /* group_hash() of the bytes */
};

#endif
