/* SPDX-License-Identifier: MIT */
#include "wire/pbc.h"

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>

#include "base/mem.h"
#include "wire/pb.h"

/* The fields that the walk has found in a message. */
struct walk {
    const ProtobufCMessageDescriptor *descriptor;
    struct pb_field last[PBC_MAX_FIELDS]; /* in the descriptor's order; number 0: absent */
    size_t spare;                         /* fields that are kept from protobuf-c */
};

/* --- the walk --- */

static enum pb_type wire_type(const ProtobufCFieldDescriptor *f)
{
    return f->type == PROTOBUF_C_TYPE_BYTES ? PB_BYTES : PB_VARINT;
}

static void take_field(struct walk *w, const struct pb_field *f)
{
    const ProtobufCFieldDescriptor *known =
        protobuf_c_message_descriptor_get_field(w->descriptor, f->number);
    struct pb_field *last;

    if (!known || wire_type(known) != f->type) {
        w->spare++;
        return;
    }
    last = &w->last[known - w->descriptor->fields];
    w->spare += last->number != 0;
    *last = *f;
}

/* The name of a required field that is absent, or NULL. */
static const char *lacking(const struct walk *w)
{
    unsigned i;

    for (i = 0; i < w->descriptor->n_fields; i++) {
        if (w->descriptor->fields[i].label == PROTOBUF_C_LABEL_REQUIRED && !w->last[i].number)
            return w->descriptor->fields[i].name;
    }
    return NULL;
}

static enum err walk(struct walk *w, const char *name, const void *bytes, size_t n, struct error *e)
{
    struct pb_field f;
    struct pb pb;
    int more = 0;

    pb_init(&pb, bytes, n);
    while (w->spare <= PBC_MAX_SPARE && (more = pb_next(&pb, &f)) > 0)
        take_field(w, &f);
    if (w->spare > PBC_MAX_SPARE)
        return error_set(e, ERR_INVAL, "a %s with more than %d fields that it does not need", name,
                         PBC_MAX_SPARE);
    if (more < 0)
        return error_set(e, ERR_INVAL, "malformed %s near byte %zu of %zu", name,
                         pb_offset(&pb, bytes), n);
    if (lacking(w))
        return error_set(e, ERR_INVAL, "a %s of %zu bytes holds no %s", name, n, lacking(w));
    return ERR_OK;
}

/* --- the block --- */

/* The unused rest of the block. The generated struct is the first thing in the block, so freeing
 * the struct frees the block. */
struct block {
    char *at, *end;
};

enum { ALIGNMENT = _Alignof(max_align_t) };

static size_t aligned(size_t n)
{
    return (n + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static void *take_memory(void *arg, size_t n)
{
    struct block *b = arg;
    char *at = b->at;

    if (n > (size_t)(b->end - at) || aligned(n) > (size_t)(b->end - at))
        return NULL;
    b->at += aligned(n);
    return at;
}

static void give_no_memory(void *arg, void *p)
{
    (void)arg, (void)p;
}

/* The bytes that protobuf-c allocates for the fields that the walk has found. */
static size_t block_size(const struct walk *w)
{
    size_t n = aligned(w->descriptor->sizeof_message);
    unsigned i;

    for (i = 0; i < w->descriptor->n_fields; i++)
        n += aligned(w->last[i].len);
    return n;
}

/* protobuf-c allocates the struct first. */
static void *unpack(const struct walk *w, const char *name, const void *bytes, size_t n,
                    struct error *e)
{
    size_t size = block_size(w);
    void *memory = mem_alloc(size), *message;
    struct block block;
    ProtobufCAllocator allocator = {take_memory, give_no_memory, &block};

    if (!memory) {
        error_set(e, ERR_NOMEM, "no memory for a %s of %zu bytes", name, n);
        return NULL;
    }
    block = (struct block){memory, (char *)memory + size};
    message = protobuf_c_message_unpack(w->descriptor, &allocator, n, bytes);
    if (message == memory)
        return message;
    mem_free(memory);
    error_set(e, ERR_INVAL, "protobuf-c cannot read a %s of %zu bytes", name, n);
    return NULL;
}

/* --- reading --- */

/* The length of the message without the spare fields, in its shortest form. */
static size_t needed(const struct walk *w)
{
    size_t n = 0;
    unsigned i;

    for (i = 0; i < w->descriptor->n_fields; i++)
        n += w->last[i].number ? pb_field_size(&w->last[i]) : 0;
    return n;
}

static void *unpack_anew(const struct walk *w, const char *name, struct error *e)
{
    void *message = NULL;
    struct buf out;
    unsigned i;

    buf_init(&out, needed(w));
    buf_reserve(&out, needed(w));
    for (i = 0; i < w->descriptor->n_fields; i++) {
        if (w->last[i].number)
            pb_put_field(&out, &w->last[i]);
    }
    if (out.failed)
        error_set(e, ERR_NOMEM, "no memory for a %s of %zu bytes", name, needed(w));
    else
        message = unpack(w, name, out.data, out.len, e);
    buf_deinit(&out);
    return message;
}

void *pbc_unpack(const ProtobufCMessageDescriptor *d, const char *name, const void *bytes, size_t n,
                 struct error *e)
{
    struct walk w = {.descriptor = d};

    if (walk(&w, name, bytes, n, e))
        return NULL;
    return needed(&w) == n ? unpack(&w, name, bytes, n, e) : unpack_anew(&w, name, e);
}

/* --- writing --- */

enum err pbc_put(struct buf *out, const ProtobufCMessage *m)
{
    size_t n = protobuf_c_message_get_packed_size(m);

    if (buf_reserve(out, n))
        return out->failed;
    out->len += protobuf_c_message_pack(m, (uint8_t *)out->data + out->len);
    return ERR_OK;
}
