/* SPDX-License-Identifier: MIT */
/* frozen.h - Lua values as one block of memory that nobody changes any more: a constant.
 *
 * The block has a root value, and the tables and strings that are reached from it. A table has a
 * list, the keys 1 to n, and a hash table for all other keys. A place in the block is an offset, so
 * tables may contain each other.
 *
 * One thread makes the block; then any thread reads it. The block is reference-counted. */
#ifndef FROZEN_H
#define FROZEN_H

#include <stddef.h>
#include <stdint.h>

enum frozen_kind {
    FROZEN_NIL, /* also: no key */
    FROZEN_BOOLEAN,
    FROZEN_NUMBER,
    FROZEN_POINTER, /* a light userdata, such as groupcache.null */
    FROZEN_STRING,
    FROZEN_TABLE
};

struct frozen_value {
    uint32_t kind;
    uint32_t n; /* the length of a string; 1: the boolean is true */
    union {
        double number;
        const void *pointer;
        uint64_t at; /* of a string or a table */
    };
};

struct frozen;

/* --- making --- */

/* An empty block, whose root is nil: one reference. NULL: no memory. */
struct frozen *frozen_new(void);

/* The place of what was put under this identity, the address of a table or a string. 0: none. */
uint64_t frozen_place(const struct frozen *f, const void *identity);

/* Puts n bytes, of less than 4 GiB. The place, or 0: no memory. */
uint64_t frozen_put_string(struct frozen *f, const void *identity, const char *bytes, size_t n);

/* Puts a table, with nil for all values of its list, and room for n_named other keys. The place, or
 * 0: no memory. */
uint64_t frozen_put_table(struct frozen *f, const void *identity, size_t n_list, size_t n_named);

/* Sets the value of a key from 1 to n_list, or of another key, which was not set before. */
void frozen_set_item(struct frozen *f, uint64_t table, size_t i, const struct frozen_value *v);
void frozen_set_named(struct frozen *f, uint64_t table, const struct frozen_value *key,
                      const struct frozen_value *v);

/* Sets the root, and frees what only the making needs. */
void frozen_seal(struct frozen *f, const struct frozen_value *root);

/* --- reading --- */

struct frozen *frozen_ref(struct frozen *f); /* returns it */
void frozen_unref(struct frozen *f);         /* NULL is fine */

const struct frozen_value *frozen_root(const struct frozen *f);
size_t frozen_bytes(const struct frozen *f);
const char *frozen_string(const struct frozen *f, const struct frozen_value *v);

/* The length of a table's list. */
size_t frozen_length(const struct frozen *f, uint64_t table);

/* The value of a key. `bytes` are those of a key that is a string. Never NULL: a nil is returned
 * for a key that is absent. */
const struct frozen_value *frozen_get(const struct frozen *f, uint64_t table,
                                      const struct frozen_value *key, const char *bytes);

/* The key behind this one, and its value; the first for nil. 0: there are no more, or there is no
 * such key. */
int frozen_next(const struct frozen *f, uint64_t table, const struct frozen_value *key,
                const char *bytes, struct frozen_value *next, const struct frozen_value **value);

#endif
