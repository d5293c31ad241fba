/* SPDX-License-Identifier: MIT */
#include "cache/source.h"

#include <string.h>

static const char *const names[SOURCE_COUNT] = {"main", "hot", "peer", "local", "stale"};

int source_is_name(const char *word)
{
    int s;

    for (s = 0; s < SOURCE_COUNT && strcmp(names[s], word) != 0; s++)
        ;
    return s < SOURCE_COUNT;
}

const char *source_name(enum source s)
{
    return (unsigned)s < SOURCE_COUNT ? names[s] : "unknown";
}
