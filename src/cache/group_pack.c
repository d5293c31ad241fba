/* SPDX-License-Identifier: MIT */
/* group_pack.c - values are compressed as they are stored, in groups with the option `compress`. */
#include <string.h>

#include "base/mem.h"
#include "cache/group_in.h"

char *group_pack(enum packed_coding coding, struct given *v, struct extra *x)
{
    char *made = NULL;
    uint64_t plain;
    size_t n;

    if (v->n < PACKED_LEAST || (v->at_once && v->n > PACKED_AT_ONCE) ||
        extra_packed(v->extra, v->extra_len, &plain) || !packed_may(v->extra, v->extra_len))
        return NULL;
    extra_init(x);
    if (v->extra_len)
        memcpy(x->bytes, v->extra, x->n = v->extra_len);
    if (extra_put_packed(x, coding, v->n, NULL))
        return NULL;
    made = packed_make(coding, v->bytes, v->n, &n);
    if (!made)
        return NULL;
    v->own = NULL;
    v->bytes = made;
    v->n = n;
    v->extra = x->bytes;
    v->extra_len = x->n;
    return made;
}
