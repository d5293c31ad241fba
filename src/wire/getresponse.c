/* SPDX-License-Identifier: MIT */
#include "wire/getresponse.h"

#include <string.h>

#include "wire/varint.h"

enum { FIELD_VALUE = 1, FIELD_MINUTE_QPS = 2 };

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

enum err getresponse_decode(const void *bytes, size_t n, struct getresponse *out, struct error *e)
{
    struct cursor c = {bytes, (const unsigned char *)bytes + n};
    struct field f;

    memset(out, 0, sizeof(*out));
    while (c.at < c.end) {
        if (!get_field(&c, &f))
            return error_set(e, ERR_PEER, "malformed GetResponse near byte %zu of %zu",
                             (size_t)(c.at - (const unsigned char *)bytes), n);
        if (f.number == FIELD_VALUE && f.type == BYTES) { /* the last one counts */
            out->value = (const char *)f.bytes;
            out->value_len = f.n;
        } else if (f.number == FIELD_MINUTE_QPS && f.type == FIXED64) {
            out->minute_qps = load_double(f.bytes);
        }
    }
    if (!out->value)
        return error_set(e, ERR_PEER, "a GetResponse of %zu bytes holds no value", n);
    return ERR_OK;
}
