/* SPDX-License-Identifier: MIT */
#include "wire/batch.h"

#include <stdint.h>
#include <string.h>

#include "base/traceparent.h"
#include "batch.pb-c.h"
#include "wire/pb.h"
#include "wire/pbc.h"

enum { KEYS_OF_PART = 64 };

enum answer_field {
    ANSWER_INDEX = 1,
    ANSWER_VALUE,
    ANSWER_CODE,
    ANSWER_MESSAGE,
    ANSWER_TTL,
    ANSWER_AGE,
    ANSWER_STALE,
    ANSWER_MINUTE_QPS,
    ANSWER_EXTRA
};

/* --- requests --- */

static ProtobufCBinaryData data_of(const void *bytes, size_t n)
{
    return (ProtobufCBinaryData){n, (uint8_t *)(size_t)bytes};
}

/* Appends a part of a request: protobuf reads messages that follow each other as one. The lists of
 * keys are on the stack, so they are short. The value of a set stands behind its ttl. */
static enum err put_keys(struct buf *out, const struct key *keys, size_t n)
{
    Batchpb__BatchRequest m = BATCHPB__BATCH_REQUEST__INIT;
    ProtobufCBinaryData list[KEYS_OF_PART];

    m.key = list;
    for (; m.n_key < n; m.n_key++)
        list[m.n_key] = data_of(keys[m.n_key].bytes, keys[m.n_key].n);
    return pbc_put(out, &m.base);
}

static enum err put_head(struct buf *out, const struct batch_request *r)
{
    Batchpb__BatchRequest m = BATCHPB__BATCH_REQUEST__INIT;

    m.has_op = 1;
    m.op = r->op;
    return pbc_put(out, &m.base);
}

static enum err put_value(struct buf *out, const struct batch_request *r)
{
    Batchpb__BatchRequest ttl = BATCHPB__BATCH_REQUEST__INIT, value = ttl;

    ttl.has_ttl_ms = r->has_ttl;
    ttl.ttl_ms = r->ttl_ms;
    ttl.has_until = r->has_until;
    ttl.until = r->until;
    ttl.has_extra = r->extra_len != 0;
    ttl.extra = data_of(r->extra, r->extra_len);
    value.has_value = 1;
    value.value = data_of(r->value, r->value_len);
    pbc_put(out, &ttl.base);
    return pbc_put(out, &value.base);
}

static enum err put_traces(struct buf *out, const struct batch_request *r)
{
    Batchpb__BatchRequest m = BATCHPB__BATCH_REQUEST__INIT;

    m.has_traces = 1;
    m.traces = data_of(r->traces, r->traces_len);
    return pbc_put(out, &m.base);
}

enum err batch_put_trace(struct buf *traces, const struct traceparent *t)
{
    if (t)
        buf_puts(traces, t->text);
    if (t && *t->state) {
        buf_puts(traces, " ");
        buf_puts(traces, t->state);
    }
    return buf_puts(traces, "\n");
}

int batch_next_trace(const char *traces, size_t n, size_t *at, struct traceparent *out)
{
    const char *line, *end, *space;

    if (*at >= n)
        return 0;
    line = traces + *at;
    end = memchr(line, '\n', n - *at);
    end = end ? end : traces + n;
    *at = (size_t)(end - traces) + 1;
    space = memchr(line, ' ', (size_t)(end - line));
    if (!space)
        return traceparent_read(out, line, (size_t)(end - line), NULL, 0);
    return traceparent_read(out, line, (size_t)(space - line), space + 1,
                            (size_t)(end - space - 1));
}

enum err batch_put(struct buf *out, const struct batch_request *r)
{
    size_t i, n;

    put_head(out, r);
    for (i = 0; i < r->n_keys; i += n) {
        n = r->n_keys - i < KEYS_OF_PART ? r->n_keys - i : KEYS_OF_PART;
        put_keys(out, r->keys + i, n);
    }
    if (r->value)
        put_value(out, r);
    if (r->traces)
        put_traces(out, r);
    return out->failed;
}

static enum err check_request(const struct batch_request *r, uint32_t op, struct error *e)
{
    if (op >= BATCH_OPS)
        return error_set(e, ERR_INVAL, "a BatchRequest with an unknown op %u", (unsigned)op);
    if (op == BATCH_SET && (r->n_keys != 1 || !r->value))
        return error_set(e, ERR_INVAL, "a BatchRequest to set %zu keys to %s", r->n_keys,
                         r->value ? "a value" : "no value");
    if (op == BATCH_HAND && !r->value)
        return error_set(e, ERR_INVAL, "a BatchRequest that hands over no value");
    if (op != BATCH_FLUSH && op != BATCH_RECENT && r->n_keys == 0)
        return error_set(e, ERR_INVAL, "a BatchRequest without a key");
    return ERR_OK;
}

_Static_assert(sizeof(struct key) == sizeof(ProtobufCBinaryData) &&
                   _Alignof(struct key) == _Alignof(ProtobufCBinaryData),
               "a key takes the place of a ProtobufCBinaryData");

/* Makes protobuf-c's list one of keys, in its place: two lists would take twice the memory. */
static struct key *make_keys(ProtobufCBinaryData *list, size_t n)
{
    struct key *keys = (struct key *)(void *)list;
    size_t i;

    for (i = 0; i < n; i++) {
        const struct key key = {list[i].data ? (const char *)list[i].data : "", list[i].len};

        memcpy(&keys[i], &key, sizeof(key));
    }
    return keys;
}

enum err batch_parse(const void *bytes, size_t n, struct batch_request *out, struct error *e)
{
    Batchpb__BatchRequest *m =
        pbc_unpack(&batchpb__batch_request__descriptor, "BatchRequest", bytes, n, e);

    memset(out, 0, sizeof(*out));
    if (!m)
        return e->code;
    out->memory = m;
    out->op = m->has_op && m->op < BATCH_OPS ? (enum batch_op)m->op : BATCH_GET;
    out->n_keys = m->n_key;
    out->keys = make_keys(m->key, m->n_key);
    if (m->has_value)
        out->value = m->value.data ? (const char *)m->value.data : "";
    out->value_len = m->value.len;
    if (m->has_traces && m->traces.len) {
        out->traces = (const char *)m->traces.data;
        out->traces_len = m->traces.len;
    }
    out->has_ttl = m->has_ttl_ms;
    out->ttl_ms = m->ttl_ms;
    out->has_until = m->has_until;
    out->until = m->until;
    out->extra = (const char *)m->extra.data;
    out->extra_len = m->has_extra ? m->extra.len : 0;
    if (check_request(out, m->op, e)) {
        batch_request_deinit(out);
        return e->code;
    }
    return ERR_OK;
}

void batch_request_deinit(struct batch_request *r)
{
    pbc_free(r->memory);
    memset(r, 0, sizeof(*r));
}

/* --- answers --- */

/* The fields before the value, which comes last. */
static void put_fields(struct buf *out, const struct batch_answer *a)
{
    pb_put_int64(out, ANSWER_INDEX, (int64_t)a->index);
    if (a->has_ttl)
        pb_put_int64(out, ANSWER_TTL, (int64_t)a->ttl_ms);
    if (a->age_s)
        pb_put_int64(out, ANSWER_AGE, (int64_t)a->age_s);
    if (a->stale)
        pb_put_int64(out, ANSWER_STALE, 1);
    if (a->minute_qps > 0)
        pb_put_double(out, ANSWER_MINUTE_QPS, a->minute_qps);
    if (a->extra_len)
        pb_put_bytes(out, ANSWER_EXTRA, a->extra, a->extra_len);
    if (!a->value) {
        pb_put_bytes(out, ANSWER_CODE, err_name(a->code), strlen(err_name(a->code)));
        pb_put_bytes(out, ANSWER_MESSAGE, a->message, a->message_len);
    }
}

/* A bytes field's tag and length. */
static size_t write_head(char *out, unsigned number, uint64_t len)
{
    size_t n = pb_write_varint(out, number << 3 | PB_BYTES);

    return n + pb_write_varint(out + n, len);
}

enum err batch_put_answer(struct buf *out, const struct batch_answer *a)
{
    char head[2 * PB_VARINT_MAX], length[PB_VARINT_MAX];
    size_t start = out->len, fields, head_len = 0, length_len;

    put_fields(out, a);
    fields = out->len - start;
    if (a->value)
        head_len = write_head(head, ANSWER_VALUE, a->value_len);
    length_len = pb_write_varint(length, fields + head_len + (a->value ? a->value_len : 0));
    buf_put(out, head, head_len);
    if (buf_put(out, length, length_len)) /* makes room; the length belongs before the frame */
        return out->failed;
    memmove(out->data + start + length_len, out->data + start, fields + head_len);
    memcpy(out->data + start, length, length_len);
    return ERR_OK;
}

/* A code that this version does not know becomes PEER, with its message. */
static enum err code_of(const struct pb_field *f)
{
    char name[32];
    enum err code;

    if (f->len >= sizeof(name))
        return ERR_PEER;
    memcpy(name, f->bytes, f->len);
    name[f->len] = '\0';
    code = err_from_name(name);
    return code == ERR_COUNT || code == ERR_OK ? ERR_PEER : code;
}

static void take_answer_number(const struct pb_field *f, struct batch_answer *out)
{
    switch (f->number) {
    case ANSWER_INDEX:
        out->index = f->varint;
        break;
    case ANSWER_TTL:
        out->has_ttl = 1;
        out->ttl_ms = f->varint;
        break;
    case ANSWER_AGE:
        out->age_s = f->varint;
        break;
    case ANSWER_STALE:
        out->stale = f->varint != 0;
        break;
    default:
        break;
    }
}

static void take_answer_field(const struct pb_field *f, struct batch_answer *out)
{
    if (f->type == PB_VARINT) {
        take_answer_number(f, out);
    } else if (f->type == PB_FIXED64 && f->number == ANSWER_MINUTE_QPS) {
        out->minute_qps = pb_read_double(f->bytes);
    } else if (f->type == PB_BYTES && f->number == ANSWER_VALUE) {
        out->value = f->bytes;
        out->value_len = f->len;
    } else if (f->type == PB_BYTES && f->number == ANSWER_CODE) {
        out->code = code_of(f);
    } else if (f->type == PB_BYTES && f->number == ANSWER_MESSAGE) {
        out->message = f->bytes;
        out->message_len = f->len;
    } else if (f->type == PB_BYTES && f->number == ANSWER_EXTRA) {
        out->extra = f->bytes;
        out->extra_len = f->len;
    }
}

static enum err parse_answer(const char *bytes, size_t n, struct batch_answer *out, struct error *e)
{
    struct pb_field f;
    struct pb pb;
    int more;

    pb_init(&pb, bytes, n);
    while ((more = pb_next(&pb, &f)) > 0)
        take_answer_field(&f, out);
    if (more < 0)
        return error_set(e, ERR_PEER, "a malformed frame of a batch, of %zu bytes", n);
    if (!out->value && !out->code)
        return error_set(e, ERR_PEER, "a frame of a batch without a value or an error");
    if (out->value)
        out->code = ERR_OK;
    return ERR_OK;
}

/* The frame's length; *n: the bytes of that number itself. -1: the number is not whole yet. */
static int get_length(const unsigned char *at, size_t left, uint64_t *length, size_t *n)
{
    *length = 0;
    for (*n = 0; *n < left && *n < PB_VARINT_MAX; (*n)++) {
        if (*n == PB_VARINT_MAX - 1 && at[*n] > 1)
            return 0; /* over 64 bits */
        *length |= (uint64_t)(at[*n] & 0x7f) << (7 * *n);
        if (!(at[*n] & 0x80)) {
            (*n)++;
            return 1;
        }
    }
    return *n < PB_VARINT_MAX ? -1 : 0;
}

long batch_get_answer(const void *bytes, size_t n, size_t max, struct batch_answer *out,
                      struct error *e)
{
    uint64_t length;
    size_t head;
    int there = get_length(bytes, n, &length, &head);

    memset(out, 0, sizeof(*out));
    if (there < 0)
        return 0;
    if (!there || length > max) {
        error_set(e, ERR_PEER, "a frame of a batch is longer than %zu bytes", max);
        return -1;
    }
    if (length > n - head)
        return 0;
    if (parse_answer((const char *)bytes + head, (size_t)length, out, e))
        return -1;
    return (long)(head + (size_t)length);
}
