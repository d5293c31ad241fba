/* SPDX-License-Identifier: MIT */
#include "wire/pbc.h"

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>

#include "base/mem.h"
#include "wire/pb.h"

/* What the walk has found in a message. */
struct walk {
    const ProtobufCMessageDescriptor *descriptor;
    struct pb_field
        last[PBC_MAX_FIELDS]; /* in the descriptor's order; number 0: absent, repeated */
    const ProtobufCFieldDescriptor *list; /* the repeated field, once one was found */
    size_t n_list;                        /* how often it was */
    size_t needed;                        /* bytes of the repeated fields, in their shortest form */
    size_t block;                         /* bytes of the block that they take */
    size_t spare;                         /* fields that are kept from protobuf-c */
};

/* --- the block --- */

/* What protobuf-c allocates: a block of the small parts, the generated struct first, and a chunk
 * for each large part. protobuf-c frees some of the chunks itself: its notes of where a long list
 * lies. */
struct chunk {
    struct chunk *next;
    max_align_t bytes[];
};

struct block {
    struct chunk *chunks;
    char *at, *end; /* the unused rest */
    int no_memory;
    max_align_t bytes[];
};

enum { ALIGNMENT = _Alignof(max_align_t), CHUNK_BYTES = 1024 };

/* The bytes of the block that a part of n bytes takes. */
static size_t of_block(size_t n)
{
    return n < CHUNK_BYTES ? (n + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT : 0;
}

static void *take_chunk(struct block *b, size_t n)
{
    struct chunk *c = mem_alloc(sizeof(*c) + n);

    if (!c) {
        b->no_memory = 1;
        return NULL;
    }
    c->next = b->chunks;
    b->chunks = c;
    return c->bytes;
}

static void *take_memory(void *arg, size_t n)
{
    struct block *b = arg;
    char *at = b->at;

    if (n >= CHUNK_BYTES || of_block(n) > (size_t)(b->end - at))
        return take_chunk(b, n);
    b->at += of_block(n);
    return at;
}

static void give_memory(void *arg, void *p)
{
    struct block *b = arg;
    struct chunk **at = &b->chunks, *c;

    if (b->no_memory)
        return; /* free_block() frees all of it */
    while (*at && (void *)(*at)->bytes != p)
        at = &(*at)->next;
    c = *at;
    if (!c)
        return; /* it is in the block */
    *at = c->next;
    mem_free(c);
}

static void free_block(struct block *b)
{
    struct chunk *c, *next;

    for (c = b->chunks; c; c = next) {
        next = c->next;
        mem_free(c);
    }
    mem_free(b);
}

void pbc_free(void *message)
{
    if (message)
        free_block((struct block *)(void *)((char *)message - offsetof(struct block, bytes)));
}

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
    if (known->label == PROTOBUF_C_LABEL_REPEATED) {
        w->list = known;
        w->n_list++;
        w->needed += pb_field_size(f);
        w->block += of_block(f->len);
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
    if (w->n_list > PBC_MAX_REPEATED)
        return error_set(e, ERR_INVAL, "a %s of %zu %ss, the limit is %d", name, w->n_list,
                         w->list->name, PBC_MAX_REPEATED);
    if (lacking(w))
        return error_set(e, ERR_INVAL, "a %s of %zu bytes holds no %s", name, n, lacking(w));
    return ERR_OK;
}

/* --- reading --- */

/* The bytes of the block that protobuf-c needs for the fields that the walk has found. */
static size_t block_size(const struct walk *w)
{
    size_t n = of_block(w->descriptor->sizeof_message) + w->block;
    unsigned i;

    n += of_block(w->n_list * sizeof(ProtobufCBinaryData));
    for (i = 0; i < w->descriptor->n_fields; i++)
        n += of_block(w->last[i].len);
    return n;
}

/* protobuf-c allocates the struct first. */
static void *unpack(const struct walk *w, const char *name, const void *bytes, size_t n,
                    struct error *e)
{
    size_t size = block_size(w);
    struct block *b = mem_alloc(sizeof(*b) + size);
    ProtobufCAllocator allocator = {take_memory, give_memory, b};
    void *message;

    if (b) {
        *b = (struct block){.at = (char *)b->bytes, .end = (char *)b->bytes + size};
        message = protobuf_c_message_unpack(w->descriptor, &allocator, n, bytes);
        if (message == b->bytes)
            return message;
    }
    if (!b || b->no_memory)
        error_set(e, ERR_NOMEM, "no memory for a %s of %zu bytes", name, n);
    else
        error_set(e, ERR_INVAL, "protobuf-c cannot read a %s of %zu bytes", name, n);
    if (b)
        free_block(b);
    return NULL;
}

/* The length of the message without the spare fields, in its shortest form. */
static size_t needed(const struct walk *w)
{
    size_t n = w->needed;
    unsigned i;

    for (i = 0; i < w->descriptor->n_fields; i++)
        n += w->last[i].number ? pb_field_size(&w->last[i]) : 0;
    return n;
}

static void put_list(struct buf *out, const struct walk *w, const void *bytes, size_t n)
{
    struct pb_field f;
    struct pb pb;

    pb_init(&pb, bytes, n);
    while (w->list && pb_next(&pb, &f) > 0) {
        if (f.number == w->list->id && f.type == wire_type(w->list))
            pb_put_field(out, &f);
    }
}

static void *unpack_anew(const struct walk *w, const char *name, const void *bytes, size_t n,
                         struct error *e)
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
    put_list(&out, w, bytes, n);
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
    return needed(&w) == n ? unpack(&w, name, bytes, n, e) : unpack_anew(&w, name, bytes, n, e);
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
