/* SPDX-License-Identifier: MIT */
#include "wire/setrequest.h"

#include "wire/pb.h"

enum { FIELD_GROUP = 1, FIELD_KEY = 2, FIELD_VALUE = 3, FIELD_EXPIRE = 4 };

enum err setrequest_put(struct buf *out, const struct setrequest *r)
{
    pb_put_bytes(out, FIELD_GROUP, r->group, r->group_len);
    pb_put_bytes(out, FIELD_KEY, r->key, r->key_len);
    pb_put_bytes(out, FIELD_VALUE, r->value, r->value_len);
    pb_put_int64(out, FIELD_EXPIRE, r->expire_ns);
    return out->failed;
}

/* Of several the last one counts; a known field of another wire type is an unknown one. */
static void take_field(const struct pb_field *f, struct setrequest *out)
{
    if (f->type == PB_BYTES && f->number == FIELD_GROUP) {
        out->group = f->bytes;
        out->group_len = f->len;
    } else if (f->type == PB_BYTES && f->number == FIELD_KEY) {
        out->key = f->bytes;
        out->key_len = f->len;
    } else if (f->type == PB_BYTES && f->number == FIELD_VALUE) {
        out->value = f->bytes;
        out->value_len = f->len;
    } else if (f->type == PB_VARINT && f->number == FIELD_EXPIRE) {
        out->expire_ns = (int64_t)f->varint;
    }
}

enum err setrequest_decode(const void *bytes, size_t n, struct setrequest *out, struct error *e)
{
    struct pb_field f;
    struct pb pb;
    int more;

    *out = (struct setrequest){.value = ""};
    pb_init(&pb, bytes, n);
    while ((more = pb_next(&pb, &f)) > 0)
        take_field(&f, out);
    if (more < 0)
        return error_set(e, ERR_INVAL, "malformed SetRequest near byte %zu of %zu",
                         pb_offset(&pb, bytes), n);
    if (!out->group || !out->key)
        return error_set(e, ERR_INVAL, "a SetRequest of %zu bytes holds no %s", n,
                         out->group ? "key" : "group");
    return ERR_OK;
}
