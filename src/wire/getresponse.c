/* SPDX-License-Identifier: MIT */
#include "wire/getresponse.h"

#include <string.h>

enum {
    FIELD_VALUE = 1,
    FIELD_SECOND = 2, /* a double: minute_qps; a varint: modernprogram's expire */
    FIELD_EXPIRE = 3  /* the other forks' expire */
};

/* When a field is repeated, the last one counts. */
static void take_field(const struct pb_field *f, struct getresponse *out)
{
    if (f->number == FIELD_VALUE && f->type == PB_BYTES) {
        out->value = f->bytes;
        out->value_len = f->len;
    } else if (f->number == FIELD_SECOND && f->type == PB_FIXED64) {
        out->minute_qps = pb_read_double(f->bytes);
    } else if ((f->number == FIELD_SECOND || f->number == FIELD_EXPIRE) && f->type == PB_VARINT) {
        out->expire_ns = (int64_t)f->varint;
    } else if (f->number == GETRESPONSE_EXTRA && f->type == PB_BYTES) {
        out->extra = f->bytes;
        out->extra_len = f->len;
    }
}

enum err getresponse_decode(const void *bytes, size_t n, struct getresponse *out, struct error *e)
{
    struct pb_field f;
    struct pb pb;
    int more;

    memset(out, 0, sizeof(*out));
    pb_init(&pb, bytes, n);
    while ((more = pb_next(&pb, &f)) > 0)
        take_field(&f, out);
    if (more < 0)
        return error_set(e, ERR_PEER, "malformed GetResponse near byte %zu of %zu",
                         pb_offset(&pb, bytes), n);
    if (!out->value)
        return error_set(e, ERR_PEER, "a GetResponse of %zu bytes holds no value", n);
    return ERR_OK;
}

size_t getresponse_tail(char out[GETRESPONSE_TAIL], const struct getresponse *r,
                        unsigned expire_field)
{
    size_t n = 0;

    if (r->minute_qps > 0) {
        out[n++] = FIELD_SECOND << 3 | PB_FIXED64;
        pb_write_double(out + n, r->minute_qps);
        n += 8;
    }
    if (expire_field) {
        out[n++] = (char)(expire_field << 3 | PB_VARINT);
        n += pb_write_varint(out + n, (uint64_t)r->expire_ns);
    }
    if (r->extra_len) {
        n += pb_write_varint(out + n, GETRESPONSE_EXTRA << 3 | PB_BYTES);
        n += pb_write_varint(out + n, r->extra_len);
    }
    return n;
}
