/* SPDX-License-Identifier: MIT */
#include "wire/varint.h"

int get_varint(struct cursor *c, uint64_t *out)
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

static int get_span(struct cursor *c, uint64_t n, struct field *out)
{
    if (n > (uint64_t)(c->end - c->at))
        return 0;
    out->bytes = c->at;
    out->n = (size_t)n;
    c->at += n;
    return 1;
}

int get_field(struct cursor *c, struct field *out)
{
    uint64_t tag, n;

    if (!get_varint(c, &tag) || tag >> 3 == 0 || tag >> 3 > MAX_FIELD)
        return 0;
    *out = (struct field){.number = tag >> 3, .type = (enum wire_type)(tag & 7)};
    switch (out->type) {
    case VARINT:
        return get_varint(c, &out->value);
    case FIXED64:
        return get_span(c, 8, out);
    case FIXED32:
        return get_span(c, 4, out);
    case BYTES:
        return get_varint(c, &n) && get_span(c, n, out);
    default:
        return 0;
    }
}

size_t put_varint(unsigned char *out, uint64_t v)
{
    size_t n = 0;

    for (; v >= 0x80; v >>= 7)
        out[n++] = (unsigned char)(v | 0x80);
    out[n++] = (unsigned char)v;
    return n;
}

enum err put_number(struct buf *out, unsigned field, uint64_t v)
{
    unsigned char bytes[2 * VARINT_BYTES];
    size_t n = put_varint(bytes, field << 3 | VARINT);

    n += put_varint(bytes + n, v);
    return buf_put(out, bytes, n);
}

enum err put_bytes(struct buf *out, unsigned field, const void *bytes, size_t n)
{
    unsigned char head[2 * VARINT_BYTES];
    size_t len = put_varint(head, field << 3 | BYTES);

    len += put_varint(head + len, n);
    buf_put(out, head, len);
    return buf_put(out, bytes, n);
}
