/* SPDX-License-Identifier: MIT */
/* key.h - a key as it lies in somebody else's memory: any bytes, NUL among them. */
#ifndef KEY_H
#define KEY_H

#include <stddef.h>

struct key {
    const char *bytes; /* borrowed */
    size_t n;
};

#endif
