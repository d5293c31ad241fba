/* SPDX-License-Identifier: MIT */
#include "script/frozen.h"

#include <stdatomic.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"

/* At the place of a table: this head, its list, and its slots: open addressing by hash of the key,
 * a nil for a key is a free slot. */
struct table {
    uint64_t n_list;
    uint64_t n_slots; /* a power of two, or 0 */
};

struct slot {
    struct frozen_value key, value;
};

/* What was put, by its identity; open addressing. */
struct known {
    const void *identity;
    uint64_t at;
};

struct frozen {
    char *bytes; /* owned */
    size_t n, cap;
    struct known *known; /* owned; NULL once sealed */
    size_t n_known, n_slots;
    struct frozen_value root;
    atomic_uint refs;
};

enum { FIRST = 16, SLOTS = 64 /* a power of two */ };

static const struct frozen_value nil = {.kind = FROZEN_NIL};

/* --- making --- */

struct frozen *frozen_new(void)
{
    struct frozen *f = mem_zalloc(sizeof(*f));

    f->n = f->cap = FIRST; /* so that no place is 0 */
    f->bytes = mem_alloc(f->cap);
    f->n_slots = SLOTS;
    f->known = mem_zalloc(f->n_slots * sizeof(*f->known));
    atomic_init(&f->refs, 1);
    if (f->bytes)
        return f;
    frozen_unref(f);
    return NULL;
}

static size_t hash_bits(uint64_t bits)
{
    bits *= 0x9e3779b97f4a7c15u; /* 2^64 divided by the golden ratio: Knuth, TAOCP 3, 6.4 */
    return (size_t)(bits ^ bits >> 32);
}

static struct known *known_slot(struct known *list, size_t n_slots, const void *identity)
{
    size_t i = hash_bits((uint64_t)(uintptr_t)identity) & (n_slots - 1);

    while (list[i].identity && list[i].identity != identity)
        i = (i + 1) & (n_slots - 1);
    return &list[i];
}

uint64_t frozen_place(const struct frozen *f, const void *identity)
{
    return known_slot(f->known, f->n_slots, identity)->at;
}

static int make_known_wider(struct frozen *f)
{
    size_t n_slots = f->n_slots * 2, i;
    struct known *list = mem_alloc(n_slots * sizeof(*list));

    if (!list)
        return 0;
    memset(list, 0, n_slots * sizeof(*list));
    for (i = 0; i < f->n_slots; i++) {
        if (f->known[i].identity)
            *known_slot(list, n_slots, f->known[i].identity) = f->known[i];
    }
    mem_free(f->known);
    f->known = list;
    f->n_slots = n_slots;
    return 1;
}

/* Room for n more bytes at the end, aligned. The place, or 0. */
static uint64_t put(struct frozen *f, const void *identity, size_t n, size_t align)
{
    size_t at = (f->n + align - 1) / align * align, cap = f->cap;
    char *bytes;

    if (f->n_known * 2 >= f->n_slots && !make_known_wider(f))
        return 0;
    while (cap < at + n)
        cap += cap / 2 + n;
    if (cap > f->cap) {
        bytes = mem_realloc(f->bytes, cap);
        if (!bytes)
            return 0;
        f->bytes = bytes;
        f->cap = cap;
    }
    f->n = at + n;
    *known_slot(f->known, f->n_slots, identity) = (struct known){identity, at};
    f->n_known++;
    return at;
}

uint64_t frozen_put_string(struct frozen *f, const void *identity, const char *bytes, size_t n)
{
    uint64_t at = put(f, identity, n, 1);

    if (at && n)
        memcpy(f->bytes + at, bytes, n);
    return at;
}

static size_t slots_for(size_t n_named)
{
    size_t n = n_named ? 1 : 0;

    while (n * 3 < n_named * 4)
        n *= 2;
    return n > n_named ? n : n * 2; /* one slot at least stays free: a search ends there */
}

uint64_t frozen_put_table(struct frozen *f, const void *identity, size_t n_list, size_t n_named)
{
    struct table t = {n_list, slots_for(n_named)};
    size_t n = sizeof(t) + n_list * sizeof(struct frozen_value) + t.n_slots * sizeof(struct slot);
    uint64_t at = put(f, identity, n, sizeof(uint64_t));

    if (!at)
        return 0;
    memset(f->bytes + at, 0, n);
    memcpy(f->bytes + at, &t, sizeof(t));
    return at;
}

static const struct table *table_at(const struct frozen *f, uint64_t at)
{
    return (const struct table *)(const void *)(f->bytes + at);
}

static struct frozen_value *list_of(const struct table *t)
{
    return (struct frozen_value *)(size_t)(t + 1);
}

static struct slot *slots_of(const struct table *t)
{
    return (struct slot *)(void *)(list_of(t) + t->n_list);
}

void frozen_set_item(struct frozen *f, uint64_t table, size_t i, const struct frozen_value *v)
{
    list_of(table_at(f, table))[i - 1] = *v;
}

static size_t hash_key(const struct frozen_value *key, const char *bytes)
{
    double number = key->number + 0.0; /* -0 is 0 */
    uint64_t bits = key->n;

    if (key->kind == FROZEN_STRING)
        return (size_t)hash_table(bytes, key->n);
    if (key->kind == FROZEN_NUMBER)
        memcpy(&bits, &number, sizeof(bits));
    else if (key->kind == FROZEN_POINTER)
        bits = (uint64_t)(uintptr_t)key->pointer;
    return hash_bits(bits);
}

static int is_same(const struct frozen *f, const struct frozen_value *a,
                   const struct frozen_value *key, const char *bytes)
{
    if (a->kind != key->kind)
        return 0;
    if (key->kind == FROZEN_STRING)
        return a->n == key->n && memcmp(f->bytes + a->at, bytes, a->n) == 0;
    if (key->kind == FROZEN_NUMBER)
        return a->number == key->number;
    return key->kind == FROZEN_POINTER ? a->pointer == key->pointer : a->n == key->n;
}

/* The slot that has the key, or the free slot for it. NULL: the table has no slots. */
static struct slot *slot_of(const struct frozen *f, const struct table *t,
                            const struct frozen_value *key, const char *bytes)
{
    struct slot *slots = slots_of(t);
    size_t mask = t->n_slots - 1, i;

    if (!t->n_slots)
        return NULL;
    for (i = hash_key(key, bytes) & mask; slots[i].key.kind; i = (i + 1) & mask) {
        if (is_same(f, &slots[i].key, key, bytes))
            break;
    }
    return &slots[i];
}

void frozen_set_named(struct frozen *f, uint64_t table, const struct frozen_value *key,
                      const struct frozen_value *v)
{
    const char *bytes = key->kind == FROZEN_STRING ? f->bytes + key->at : NULL;
    struct slot *s = slot_of(f, table_at(f, table), key, bytes);

    s->key = *key;
    s->value = *v;
}

void frozen_seal(struct frozen *f, const struct frozen_value *root)
{
    char *bytes = mem_realloc(f->bytes, f->n);

    f->root = *root;
    f->bytes = bytes ? bytes : f->bytes;
    mem_free(f->known);
    f->known = NULL;
}

/* --- reading --- */

struct frozen *frozen_ref(struct frozen *f)
{
    atomic_fetch_add_explicit(&f->refs, 1, memory_order_relaxed);
    return f;
}

void frozen_unref(struct frozen *f)
{
    if (!f || atomic_fetch_sub_explicit(&f->refs, 1, memory_order_acq_rel) != 1)
        return;
    mem_free(f->known);
    mem_free(f->bytes);
    mem_free(f);
}

const struct frozen_value *frozen_root(const struct frozen *f)
{
    return &f->root;
}

size_t frozen_bytes(const struct frozen *f)
{
    return f->n;
}

const char *frozen_string(const struct frozen *f, const struct frozen_value *v)
{
    return f->bytes + v->at;
}

size_t frozen_length(const struct frozen *f, uint64_t table)
{
    return (size_t)table_at(f, table)->n_list;
}

/* The place of a key in the list, from 1 on; 0: it is no key of the list. */
static size_t item_of(const struct table *t, const struct frozen_value *key)
{
    double i = key->number;

    if (key->kind != FROZEN_NUMBER || !(i >= 1 && i <= (double)t->n_list) || (double)(size_t)i != i)
        return 0;
    return (size_t)i;
}

const struct frozen_value *frozen_get(const struct frozen *f, uint64_t table,
                                      const struct frozen_value *key, const char *bytes)
{
    const struct table *t = table_at(f, table);
    const struct slot *s;
    size_t i = item_of(t, key);

    if (i)
        return &list_of(t)[i - 1];
    s = slot_of(f, t, key, bytes);
    return s ? &s->value : &nil;
}

int frozen_next(const struct frozen *f, uint64_t table, const struct frozen_value *key,
                const char *bytes, struct frozen_value *next, const struct frozen_value **value)
{
    const struct table *t = table_at(f, table);
    const struct slot *slots = slots_of(t), *s;
    size_t i = item_of(t, key), at = 0;

    if (key->kind == FROZEN_NIL || i) {
        for (; i < t->n_list; i++) {
            *value = &list_of(t)[i];
            *next = (struct frozen_value){.kind = FROZEN_NUMBER, .number = (double)i + 1};
            if ((*value)->kind)
                return 1;
        }
    } else {
        s = slot_of(f, t, key, bytes);
        if (!s || !s->key.kind)
            return 0;
        at = (size_t)(s - slots) + 1;
    }
    for (; at < t->n_slots; at++) {
        *value = &slots[at].value;
        *next = slots[at].key;
        if (slots[at].key.kind)
            return 1;
    }
    return 0;
}
