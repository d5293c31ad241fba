/* SPDX-License-Identifier: MIT */
#include "wire/pb.h"

#include <string.h>

enum { MAX_FIELD = (1 << 29) - 1 };

void pb_init(struct pb *pb, const void *bytes, size_t n)
{
    pb->at = bytes;
    pb->end = pb->at + n;
}

size_t pb_offset(const struct pb *pb, const void *bytes)
{
    return (size_t)(pb->at - (const unsigned char *)bytes);
}

/* 0: the input ends inside of it, or it is longer than ten bytes. */
static int get_varint(struct pb *pb, uint64_t *out)
{
    unsigned shift;

    *out = 0;
    for (shift = 0; shift < 70 && pb->at < pb->end; shift += 7) {
        unsigned char b = *pb->at++;

        if (shift < 64)
            *out |= (uint64_t)(b & 0x7f) << shift;
        if (!(b & 0x80))
            return shift < 63 || b <= 1;
    }
    return 0;
}

static int take(struct pb *pb, struct pb_field *f, uint64_t n)
{
    if (n > (uint64_t)(pb->end - pb->at))
        return 0;
    f->bytes = (const char *)pb->at;
    f->len = (size_t)n;
    pb->at += n;
    return 1;
}

static int get_content(struct pb *pb, struct pb_field *f)
{
    uint64_t n;

    switch (f->type) {
    case PB_VARINT:
        return get_varint(pb, &f->varint);
    case PB_FIXED64:
        return take(pb, f, 8);
    case PB_BYTES:
        return get_varint(pb, &n) && take(pb, f, n);
    case PB_FIXED32:
        return take(pb, f, 4);
    default: /* groups, and wire types that protobuf does not have */
        return 0;
    }
}

int pb_next(struct pb *pb, struct pb_field *f)
{
    uint64_t tag;

    if (pb->at == pb->end)
        return 0;
    if (!get_varint(pb, &tag) || tag >> 3 == 0 || tag >> 3 > MAX_FIELD)
        return -1;
    *f = (struct pb_field){.number = (uint32_t)(tag >> 3), .type = (enum pb_type)(tag & 7)};
    return get_content(pb, f) ? 1 : -1;
}

size_t pb_write_varint(char out[PB_VARINT_MAX], uint64_t value)
{
    size_t n = 0;

    for (; value >= 0x80; value >>= 7)
        out[n++] = (char)(value | 0x80);
    out[n++] = (char)value;
    return n;
}

double pb_read_double(const char bytes[8])
{
    uint64_t bits = 0;
    double d;
    int i;

    for (i = 7; i >= 0; i--)
        bits = bits << 8 | (unsigned char)bytes[i];
    memcpy(&d, &bits, sizeof(d));
    return d;
}

void pb_write_double(char out[8], double value)
{
    uint64_t bits;
    int i;

    memcpy(&bits, &value, sizeof(bits));
    for (i = 0; i < 8; i++)
        out[i] = (char)(bits >> 8 * i);
}

/* Writes the bytes before a field's own: tag and length, or tag and varint. */
static size_t write_head(char out[2 * PB_VARINT_MAX], const struct pb_field *f)
{
    size_t n = pb_write_varint(out, (uint64_t)f->number << 3 | f->type);

    if (f->type == PB_VARINT)
        n += pb_write_varint(out + n, f->varint);
    else if (f->type == PB_BYTES)
        n += pb_write_varint(out + n, f->len);
    return n;
}

/* Nine times the bits, over 64, is their seventh for all of 1 to 64. */
static size_t varint_size(uint64_t v)
{
    size_t bits = 64 - (size_t)__builtin_clzll(v | 1);

    return (bits * 9 + 64) / 64;
}

size_t pb_field_size(const struct pb_field *f)
{
    size_t n = varint_size((uint64_t)f->number << 3) + f->len;

    if (f->type == PB_VARINT)
        n += varint_size(f->varint);
    else if (f->type == PB_BYTES)
        n += varint_size(f->len);
    return n;
}

void pb_put_field(struct buf *out, const struct pb_field *f)
{
    char head[2 * PB_VARINT_MAX];

    buf_put(out, head, write_head(head, f));
    if (f->len)
        buf_put(out, f->bytes, f->len);
}

void pb_put_bytes(struct buf *out, uint32_t number, const void *bytes, size_t n)
{
    const struct pb_field f = {.number = number, .type = PB_BYTES, .bytes = bytes, .len = n};

    pb_put_field(out, &f);
}

void pb_put_int64(struct buf *out, uint32_t number, int64_t value)
{
    const struct pb_field f = {.number = number, .type = PB_VARINT, .varint = (uint64_t)value};

    pb_put_field(out, &f);
}

void pb_put_double(struct buf *out, uint32_t number, double value)
{
    char bytes[8];
    const struct pb_field f = {
        .number = number, .type = PB_FIXED64, .bytes = bytes, .len = sizeof(bytes)};

    pb_write_double(bytes, value);
    pb_put_field(out, &f);
}
