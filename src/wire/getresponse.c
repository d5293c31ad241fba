/* SPDX-License-Identifier: MIT */
#include "wire/getresponse.h"

#include <string.h>

enum wire_type { VARINT = 0, FIXED64 = 1, BYTES = 2, GROUP_START = 3, GROUP_END = 4, FIXED32 = 5 };

enum { FIELD_VALUE = 1, FIELD_MINUTE_QPS = 2, MAX_FIELD = (1 << 29) - 1 };

struct cursor {
    const unsigned char *at, *end;
};

/* 0 when the input ends in it or it is longer than ten bytes. */
static int get_varint(struct cursor *c, uint64_t *out)
{
    unsigned shift;

    *out = 0;
    for (shift = 0; shift < 70 && c->at < c->end; shift += 7) {
        unsigned char b = *c->at++;

        if (shift < 64)
            *out |= (uint64_t)(b & 0x7f) << shift;
        if (!(b & 0x80))
            return shift < 63 || b <= 1;
    }
    return 0;
}

static int skip(struct cursor *c, uint64_t n)
{
    if (n > (uint64_t)(c->end - c->at))
        return 0;
    c->at += n;
    return 1;
}

static double load_double(const unsigned char *p)
{
    uint64_t bits = 0;
    double d;
    int i;

    for (i = 7; i >= 0; i--)
        bits = bits << 8 | p[i];
    memcpy(&d, &bits, sizeof(d));
    return d;
}

/* Reads one field into out, or steps over it. 0 for malformed input. */
static int get_field(struct cursor *c, struct getresponse *out)
{
    const unsigned char *start;
    uint64_t tag, n;

    if (!get_varint(c, &tag) || tag >> 3 == 0 || tag >> 3 > MAX_FIELD)
        return 0;
    switch (tag & 7) {
    case VARINT:
        return get_varint(c, &n);
    case FIXED64:
        start = c->at;
        if (!skip(c, 8))
            return 0;
        if (tag >> 3 == FIELD_MINUTE_QPS)
            out->minute_qps = load_double(start);
        return 1;
    case BYTES:
        if (!get_varint(c, &n))
            return 0;
        start = c->at;
        if (!skip(c, n))
            return 0;
        if (tag >> 3 == FIELD_VALUE) { /* the last one counts */
            out->value = (const char *)start;
            out->value_len = (size_t)n;
        }
        return 1;
    case FIXED32:
        return skip(c, 4);
    default: /* groups: no message of the family has them */
        return 0;
    }
}

enum err getresponse_decode(const void *bytes, size_t n, struct getresponse *out, struct error *e)
{
    struct cursor c = {bytes, (const unsigned char *)bytes + n};

    memset(out, 0, sizeof(*out));
    while (c.at < c.end) {
        if (!get_field(&c, out))
            return error_set(e, ERR_PEER, "malformed GetResponse near byte %zu of %zu",
                             (size_t)(c.at - (const unsigned char *)bytes), n);
    }
    if (!out->value)
        return error_set(e, ERR_PEER, "a GetResponse of %zu bytes holds no value", n);
    return ERR_OK;
}
