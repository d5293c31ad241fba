/* SPDX-License-Identifier: MIT */
#include "wire/setrequest.h"

#include "groupcache.pb-c.h"
#include "wire/pbc.h"

static ProtobufCBinaryData data_of(const char *bytes, size_t n)
{
    return (ProtobufCBinaryData){n, (uint8_t *)(size_t)bytes};
}

static const char *bytes_of(const ProtobufCBinaryData *data)
{
    return data->data ? (const char *)data->data : "";
}

enum err setrequest_put(struct buf *out, const struct setrequest *r)
{
    Groupcachepb__SetRequest m = GROUPCACHEPB__SET_REQUEST__INIT;

    m.group = data_of(r->group, r->group_len);
    m.key = data_of(r->key, r->key_len);
    m.has_value = m.has_expire = 1;
    m.value = data_of(r->value, r->value_len);
    m.expire = r->expire_ns;
    return pbc_put(out, &m.base);
}

enum err setrequest_decode(const void *bytes, size_t n, struct setrequest *out, struct error *e)
{
    const Groupcachepb__SetRequest *m = out->memory =
        pbc_unpack(&groupcachepb__set_request__descriptor, "SetRequest", bytes, n, e);

    if (!m)
        return e->code;
    out->group = bytes_of(&m->group);
    out->group_len = m->group.len;
    out->key = bytes_of(&m->key);
    out->key_len = m->key.len;
    out->value = bytes_of(&m->value);
    out->value_len = m->value.len;
    out->expire_ns = m->expire;
    return ERR_OK;
}

void setrequest_deinit(struct setrequest *r)
{
    pbc_free(r->memory);
    r->memory = NULL;
}
