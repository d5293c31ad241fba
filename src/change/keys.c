/* SPDX-License-Identifier: MIT */
#include "change/keys.h"

#include <string.h>

#include "base/mem.h"

enum err keys_copy(struct keys *out, const struct key *keys, size_t n)
{
    size_t i, bytes = 0;
    char *at;

    memset(out, 0, sizeof(*out));
    for (i = 0; i < n; i++)
        bytes += keys[i].n;
    if (!n)
        return ERR_OK;
    out->list = mem_alloc(n * sizeof(*keys) + bytes);
    if (!out->list)
        return ERR_NOMEM;
    out->n = n;
    at = (char *)(out->list + n);
    for (i = 0; i < n; i++) {
        if (keys[i].n)
            memcpy(at, keys[i].bytes, keys[i].n);
        out->list[i] = (struct key){at, keys[i].n};
        at += keys[i].n;
    }
    return ERR_OK;
}

void keys_free(struct keys *k)
{
    mem_free(k->list);
    memset(k, 0, sizeof(*k));
}
