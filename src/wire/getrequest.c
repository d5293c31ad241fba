/* SPDX-License-Identifier: MIT */
#include "wire/getrequest.h"

#include "wire/pb.h"

enum { FIELD_GROUP = 1, FIELD_KEY = 2, FIELD_CTX1 = 3, FIELD_CTX2 = 4 };

static void take_field(const struct pb_field *f, struct getrequest *out)
{
    if (f->type != PB_BYTES)
        return;
    switch (f->number) {
    case FIELD_GROUP:
        out->group = f->bytes;
        out->group_len = f->len;
        break;
    case FIELD_KEY:
        out->key = f->bytes;
        out->key_len = f->len;
        break;
    case FIELD_CTX1:
        out->ctx1 = f->bytes;
        out->ctx1_len = f->len;
        break;
    case FIELD_CTX2:
        out->ctx2 = f->bytes;
        out->ctx2_len = f->len;
        break;
    default:
        break;
    }
}

enum err getrequest_decode(const void *bytes, size_t n, struct getrequest *out, struct error *e)
{
    struct pb_field f;
    struct pb pb;
    int more;

    *out = (struct getrequest){.group = NULL};
    pb_init(&pb, bytes, n);
    while ((more = pb_next(&pb, &f)) > 0)
        take_field(&f, out);
    if (more < 0)
        return error_set(e, ERR_INVAL, "malformed GetRequest near byte %zu of %zu",
                         pb_offset(&pb, bytes), n);
    if (!out->group || !out->key || !out->ctx1 || !out->ctx2)
        return error_set(e, ERR_INVAL, "a GetRequest of %zu bytes holds no %s", n,
                         !out->group  ? "group"
                         : !out->key  ? "key"
                         : !out->ctx1 ? "ctx1"
                                      : "ctx2");
    return ERR_OK;
}
