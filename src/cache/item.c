/* SPDX-License-Identifier: MIT */
#include "cache/item.h"

#include <stdatomic.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"

enum {
    FIELD_VALUE = 1 << 3 | 2, /* protobuf tag: field 1, length-delimited */
    PREFIX_MAX = 6,           /* the tag and a length below 2^35 */
    EXPIRES_BITS = 48,
    AGE_MAX_S = 1 << 30, /* an age that is told: 34 years */
    TRIM_AFTER = 1 << 20 /* bytes of items that a thread has freed */
};

static size_t put_prefix(char *out, size_t value_len)
{
    size_t n = 0;

    out[n++] = FIELD_VALUE;
    for (; value_len >= 0x80; value_len >>= 7)
        out[n++] = (char)(value_len | 0x80);
    out[n++] = (char)value_len;
    return n;
}

/* Where the etag of a large value lies: behind its bytes, aligned. */
static size_t etag_offset(size_t key_len, size_t prefix_len, size_t value_len)
{
    size_t end = offsetof(struct item, bytes) + key_len + prefix_len + value_len;
    const size_t align = sizeof(uint64_t);

    return (end + align - 1) / align * align;
}

static _Atomic uint64_t *etag_of(const struct item *it)
{
    size_t at = etag_offset(it->key_len, it->prefix_len, it->value_len);

    if (it->value_len < ITEM_ETAG_BYTES)
        return NULL;
    return (_Atomic uint64_t *)(void *)((char *)(size_t)it + at);
}

/* The end of the value and its etag. */
static size_t plain_size(size_t key_len, size_t prefix_len, size_t value_len)
{
    if (value_len < ITEM_ETAG_BYTES)
        return offsetof(struct item, bytes) + key_len + prefix_len + value_len;
    return etag_offset(key_len, prefix_len, value_len) + sizeof(uint64_t);
}

/* Of extras: their length and their bytes. */
static char *extras_of(const struct item *it)
{
    return (char *)(size_t)it + plain_size(it->key_len, it->prefix_len, it->value_len);
}

static void put_extras(struct item *it, const void *extra, size_t n)
{
    uint16_t len = (uint16_t)n;
    uint64_t plain;

    it->extra = n != 0;
    it->special = n != 0 && (extra_status(extra, n) != EXTRA_OK || extra_packed(extra, n, &plain));
    it->tagged = extra_has_tags(extra, n) != 0;
    if (!n)
        return;
    memcpy(extras_of(it), &len, sizeof(len));
    memcpy(extras_of(it) + sizeof(len), extra, n);
    if (it->tagged)
        item_set_tags_began(it, 0);
}

/* The size of an item, whose prefix is written. 0: it would be too large. */
static size_t size_of(const struct key_ref *k, size_t value_len, const void *extra,
                      size_t extra_len, char *prefix, size_t *prefix_len)
{
    size_t extras = extra_len ? sizeof(uint16_t) + extra_len : 0;
    size_t began = extra_has_tags(extra, extra_len) ? sizeof(uint64_t) : 0;

    if (k->n > ITEM_MAX_KEY || value_len > ITEM_MAX_BYTES || extra_len > EXTRA_MAX)
        return 0;
    *prefix_len = put_prefix(prefix, value_len);
    return plain_size(k->n, *prefix_len, value_len) + extras + began;
}

/* Bytes in front of an item that has such an expiry. */
static size_t front_size(uint64_t expires_ms)
{
    return expires_ms ? sizeof(struct item_end) : 0;
}

/* What the allocator gave for the item. */
static void *block_of(const struct item *it)
{
    return it->mortal ? (void *)item_end(it) : (void *)(size_t)it;
}

static void begin_end(struct item_end *end, uint64_t expires_ms)
{
    const uint64_t last = (UINT64_C(1) << EXPIRES_BITS) - 1;
    uint64_t ms = expires_ms < last ? expires_ms : last;

    *end = (struct item_end){.low_ms = (uint32_t)ms, .high_ms = (uint16_t)(ms >> 32)};
}

/* Writes all but the value and the extras. */
static void begin(struct item *it, const struct key_ref *k, size_t value_len, uint64_t expires_ms,
                  const char *prefix, size_t prefix_len)
{
    it->chain = NULL;
    list_init(&it->order);
    atomic_init(&it->refs, 1);
    it->hash = k->hash;
    it->value_len = (uint32_t)value_len;
    it->made_s = (uint32_t)(clock_ms() / 1000);
    it->key_len = (uint32_t)k->n & ITEM_MAX_KEY;
    it->prefix_len = prefix_len & 7;
    it->negative = 0;
    it->mortal = expires_ms != 0;
    atomic_init(&it->state, ITEM_NEW);
    it->uses = 0;
    if (it->mortal)
        begin_end(item_end(it), expires_ms);
    if (etag_of(it))
        atomic_init(etag_of(it), 0);
    if (k->n)
        memcpy(it->bytes, k->bytes, k->n);
    memcpy(it->bytes + k->n, prefix, prefix_len);
}

struct item *item_new_extra(const struct key_ref *k, const void *value, size_t value_len,
                            uint64_t expires_ms, const void *extra, size_t extra_len)
{
    char prefix[PREFIX_MAX];
    size_t prefix_len, size = size_of(k, value_len, extra, extra_len, prefix, &prefix_len);
    char *block = size ? mem_alloc(front_size(expires_ms) + size) : NULL;
    struct item *it;

    if (!block)
        return NULL;
    it = (struct item *)(void *)(block + front_size(expires_ms));
    begin(it, k, value_len, expires_ms, prefix, prefix_len);
    if (value && value_len) { /* else a group's mutex may be held */
        memcpy(item_value(it), value, value_len);
        mem_join_pages(block);
    }
    put_extras(it, extra, extra_len);
    return it;
}

/* The value makes room for the head of the item. */
struct item *item_new_of(const struct key_ref *k, struct buf *value, uint64_t expires_ms,
                         const void *extra, size_t extra_len)
{
    char prefix[PREFIX_MAX];
    size_t prefix_len, n, size = size_of(k, value->len, extra, extra_len, prefix, &prefix_len);
    char *bytes = size ? mem_realloc(value->data, front_size(expires_ms) + size) : NULL;
    struct item *it;

    if (!bytes)
        return NULL;
    it = (struct item *)(void *)(bytes + front_size(expires_ms));
    value->data = bytes;
    bytes = buf_take(value, &n);
    value->failed = ERR_CLOSED;
    memmove(it->bytes + k->n + prefix_len, bytes, n);
    begin(it, k, n, expires_ms, prefix, prefix_len);
    put_extras(it, extra, extra_len);
    return it;
}

struct item *item_new(const struct key_ref *k, const void *value, size_t value_len,
                      uint64_t expires_ms)
{
    return item_new_extra(k, value, value_len, expires_ms, NULL, 0);
}

struct item *item_new_negative(const struct key_ref *k, uint64_t expires_ms)
{
    struct item *it = item_new(k, NULL, 0, expires_ms);

    if (it)
        it->negative = 1;
    return it;
}

/* The seconds are cut to 32 bits, so a value may be older than the clock. */
void item_set_age(struct item *it, uint64_t age_s)
{
    it->made_s -= (uint32_t)(age_s < AGE_MAX_S ? age_s : AGE_MAX_S);
}

uint64_t item_age_s(const struct item *it, uint64_t now_ms)
{
    uint32_t age_s = (uint32_t)(now_ms / 1000 - it->made_s);

    return age_s <= INT32_MAX ? age_s : 0; /* else now_ms is before it was made */
}

struct item *item_ref(struct item *it)
{
    atomic_fetch_add_explicit(&it->refs, 1, memory_order_relaxed);
    return it;
}

/* When the sizes of items change, whole free pages remain between the items that stay. */
static void free_item(struct item *it)
{
    static _Thread_local size_t freed;

    freed += item_cost(it);
    mem_free(block_of(it));
    if (freed >= TRIM_AFTER) {
        freed = 0;
        mem_trim();
    }
}

void item_unref(struct item *it)
{
    if (it && atomic_fetch_sub_explicit(&it->refs, 1, memory_order_acq_rel) == 1)
        free_item(it);
}

const char *item_key(const struct item *it)
{
    return it->bytes;
}

char *item_value(struct item *it)
{
    return it->bytes + it->key_len + it->prefix_len;
}

const char *item_wire(const struct item *it, size_t *len)
{
    *len = (size_t)it->prefix_len + it->value_len;
    return it->bytes + it->key_len;
}

const char *item_extra(const struct item *it, size_t *n)
{
    const char *at;
    uint16_t len;

    *n = 0;
    if (!it->extra)
        return NULL;
    at = extras_of(it);
    memcpy(&len, at, sizeof(len));
    *n = len;
    return at + sizeof(len);
}

/* It is behind the extras. */
static char *began_of(const struct item *it)
{
    size_t n;
    const char *extra = item_extra(it, &n);

    return (char *)(size_t)extra + n;
}

uint64_t item_tags_began(const struct item *it)
{
    uint64_t number;

    memcpy(&number, began_of(it), sizeof(number));
    return number;
}

void item_set_tags_began(struct item *it, uint64_t number)
{
    memcpy(began_of(it), &number, sizeof(number));
}

int item_status(const struct item *it)
{
    const char *extra;
    size_t n;

    if (!it->special)
        return EXTRA_OK;
    extra = item_extra(it, &n);
    return extra_status(extra, n);
}

int item_is_packed(const struct item *it)
{
    const char *extra;
    uint64_t plain;
    size_t n;

    if (!it->special)
        return 0;
    extra = item_extra(it, &n);
    return extra_packed(extra, n, &plain) != 0;
}

uint64_t item_etag(const struct item *it)
{
    const _Atomic uint64_t *tag = etag_of(it);

    return tag ? atomic_load_explicit(tag, memory_order_relaxed) : 0;
}

void item_set_etag(struct item *it, uint64_t tag)
{
    if (etag_of(it))
        atomic_store_explicit(etag_of(it), tag, memory_order_relaxed);
}

uint64_t item_tag_of(const void *value, size_t n)
{
    return hash_sip13(value, n, 0, 0);
}

void item_set_list(struct item *it, unsigned list)
{
    unsigned others = item_state(it) & ~(3U << ITEM_LIST_SHIFT);

    atomic_store_explicit(&it->state, (uint8_t)(others | list << ITEM_LIST_SHIFT),
                          memory_order_relaxed);
}

void item_add_failure(struct item *it)
{
    if (item_failures(it) < ITEM_MAX_FAILURES)
        atomic_store_explicit(&it->state, (uint8_t)(item_state(it) + (1U << ITEM_FAILURES_SHIFT)),
                              memory_order_relaxed);
}

int item_is(const struct item *it, const struct key_ref *k)
{
    return it->hash == k->hash && item_has_key(it, k->bytes, k->n);
}

struct key_ref item_key_ref(const struct item *it)
{
    return (struct key_ref){it->bytes, it->key_len, it->hash};
}

size_t item_cost(const struct item *it)
{
    return mem_cost(block_of(it));
}
