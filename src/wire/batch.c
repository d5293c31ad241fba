/* SPDX-License-Identifier: MIT */
#include "wire/batch.h"

#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "wire/varint.h"

enum request_field { REQUEST_OP = 1, REQUEST_KEY, REQUEST_VALUE, REQUEST_TTL };

enum answer_field {
    ANSWER_INDEX = 1,
    ANSWER_VALUE,
    ANSWER_CODE,
    ANSWER_MESSAGE,
    ANSWER_TTL,
    ANSWER_AGE,
    ANSWER_STALE
};

/* --- requests --- */

enum err batch_put_op(struct buf *out, enum batch_op op)
{
    return put_number(out, REQUEST_OP, op);
}

enum err batch_put_key(struct buf *out, const void *key, size_t n)
{
    return put_bytes(out, REQUEST_KEY, key, n);
}

enum err batch_put_value(struct buf *out, const void *value, size_t n, const uint64_t *ttl_ms)
{
    if (ttl_ms)
        put_number(out, REQUEST_TTL, *ttl_ms);
    return put_bytes(out, REQUEST_VALUE, value, n);
}

/* Room for the keys is made once, by counting them first. */
static enum err count_keys(const void *bytes, size_t n, size_t *keys, struct error *e)
{
    struct cursor c = {bytes, (const unsigned char *)bytes + n};
    struct field f;

    *keys = 0;
    while (c.at < c.end) {
        if (!get_field(&c, &f))
            return error_set(e, ERR_INVAL, "malformed BatchRequest near byte %zu of %zu",
                             (size_t)(c.at - (const unsigned char *)bytes), n);
        *keys += f.number == REQUEST_KEY && f.type == BYTES;
    }
    if (*keys > BATCH_MAX_KEYS)
        return error_set(e, ERR_INVAL, "a BatchRequest of %zu keys, the limit is %d", *keys,
                         BATCH_MAX_KEYS);
    return ERR_OK;
}

static void take_request_field(const struct field *f, struct batch_request *out, uint64_t *op)
{
    if (f->number == REQUEST_OP && f->type == VARINT) {
        *op = f->value;
    } else if (f->number == REQUEST_KEY && f->type == BYTES) {
        out->keys[out->n_keys++] = (struct batch_key){(const char *)f->bytes, f->n};
    } else if (f->number == REQUEST_VALUE && f->type == BYTES) {
        out->value = (const char *)f->bytes;
        out->value_len = f->n;
    } else if (f->number == REQUEST_TTL && f->type == VARINT) {
        out->has_ttl = 1;
        out->ttl_ms = f->value;
    }
}

static enum err check_request(const struct batch_request *r, uint64_t op, struct error *e)
{
    if (op >= BATCH_OPS)
        return error_set(e, ERR_INVAL, "a BatchRequest with an op %llu that is none",
                         (unsigned long long)op);
    if (op == BATCH_SET && (r->n_keys != 1 || !r->value))
        return error_set(e, ERR_INVAL, "a BatchRequest to set %zu keys to %s", r->n_keys,
                         r->value ? "a value" : "no value");
    if (op != BATCH_FLUSH && r->n_keys == 0)
        return error_set(e, ERR_INVAL, "a BatchRequest without a key");
    return ERR_OK;
}

enum err batch_parse(const void *bytes, size_t n, struct batch_request *out, struct error *e)
{
    struct cursor c = {bytes, (const unsigned char *)bytes + n};
    uint64_t op = BATCH_GET;
    struct field f;
    size_t keys;

    memset(out, 0, sizeof(*out));
    if (count_keys(bytes, n, &keys, e))
        return e->code;
    out->keys = mem_alloc(keys * sizeof(*out->keys));
    if (!out->keys)
        return error_set(e, ERR_NOMEM, "no memory for %zu keys", keys);
    while (c.at < c.end && get_field(&c, &f))
        take_request_field(&f, out, &op);
    if (check_request(out, op, e)) {
        batch_request_deinit(out);
        return e->code;
    }
    out->op = (enum batch_op)op;
    return ERR_OK;
}

void batch_request_deinit(struct batch_request *r)
{
    mem_free(r->keys);
    memset(r, 0, sizeof(*r));
}

/* --- answers --- */

/* The fields before the value, which comes last. */
static enum err put_fields(struct buf *out, const struct batch_answer *a)
{
    put_number(out, ANSWER_INDEX, a->index);
    if (a->has_ttl)
        put_number(out, ANSWER_TTL, a->ttl_ms);
    if (a->age_s)
        put_number(out, ANSWER_AGE, a->age_s);
    if (a->stale)
        put_number(out, ANSWER_STALE, 1);
    if (!a->value) {
        put_bytes(out, ANSWER_CODE, err_name(a->code), strlen(err_name(a->code)));
        put_bytes(out, ANSWER_MESSAGE, a->message, a->message_len);
    }
    return out->failed;
}

enum err batch_put_answer(struct buf *out, const struct batch_answer *a)
{
    unsigned char head[2 * VARINT_BYTES], length[VARINT_BYTES];
    size_t start = out->len, fields, head_len = 0, length_len;

    put_fields(out, a);
    fields = out->len - start;
    if (a->value) {
        head_len = put_varint(head, ANSWER_VALUE << 3 | BYTES);
        head_len += put_varint(head + head_len, a->value_len);
    }
    length_len = put_varint(length, fields + head_len + (a->value ? a->value_len : 0));
    buf_put(out, head, head_len);
    if (buf_put(out, length, length_len)) /* room for it: it belongs in front */
        return out->failed;
    memmove(out->data + start + length_len, out->data + start, fields + head_len);
    memcpy(out->data + start, length, length_len);
    return ERR_OK;
}

/* A code that this version does not know is told as PEER, with its message. */
static enum err code_of(const struct field *f)
{
    char name[32];
    enum err code;

    if (f->n >= sizeof(name))
        return ERR_PEER;
    memcpy(name, f->bytes, f->n);
    name[f->n] = '\0';
    code = err_from_name(name);
    return code == ERR_COUNT || code == ERR_OK ? ERR_PEER : code;
}

static void take_answer_field(const struct field *f, struct batch_answer *out)
{
    if (f->type == VARINT) {
        switch (f->number) {
        case ANSWER_INDEX:
            out->index = f->value;
            break;
        case ANSWER_TTL:
            out->has_ttl = 1;
            out->ttl_ms = f->value;
            break;
        case ANSWER_AGE:
            out->age_s = f->value;
            break;
        case ANSWER_STALE:
            out->stale = f->value != 0;
            break;
        default:
            break;
        }
    } else if (f->type == BYTES && f->number == ANSWER_VALUE) {
        out->value = (const char *)f->bytes;
        out->value_len = f->n;
    } else if (f->type == BYTES && f->number == ANSWER_CODE) {
        out->code = code_of(f);
    } else if (f->type == BYTES && f->number == ANSWER_MESSAGE) {
        out->message = (const char *)f->bytes;
        out->message_len = f->n;
    }
}

long batch_get_answer(const void *bytes, size_t n, size_t max, struct batch_answer *out,
                      struct error *e)
{
    struct cursor c = {bytes, (const unsigned char *)bytes + n};
    struct field f;
    uint64_t length;

    memset(out, 0, sizeof(*out));
    if (!get_varint(&c, &length)) {
        if (n < VARINT_BYTES)
            return 0;
        error_set(e, ERR_PEER, "a frame of a batch without a length");
        return -1;
    }
    if (length > max) {
        error_set(e, ERR_PEER, "a frame of a batch has %llu bytes, the limit is %zu",
                  (unsigned long long)length, max);
        return -1;
    }
    if (length > (uint64_t)(c.end - c.at))
        return 0;
    c.end = c.at + length;
    while (c.at < c.end) {
        if (!get_field(&c, &f)) {
            error_set(e, ERR_PEER, "a malformed frame of a batch, of %llu bytes",
                      (unsigned long long)length);
            return -1;
        }
        take_answer_field(&f, out);
    }
    if (!out->value && !out->code) {
        error_set(e, ERR_PEER, "a frame of a batch without a value or an error");
        return -1;
    }
    if (out->value)
        out->code = ERR_OK;
    return (long)(c.end - (const unsigned char *)bytes);
}
