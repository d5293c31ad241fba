/* SPDX-License-Identifier: MIT */
/* extra.h - the extras of a value: what its getter says beside the bytes. They are a status,
 * headers, tags, and times for which the value may be used once it is stale.
 *
 * Extras are one run of bytes, the same in an item, between our nodes and in a snapshot: fields of
 * a kind (1 byte), a length (2 bytes, the lower first) and content. A reader skips kinds that it
 * does not know, so later versions may have more. A name and a value of a header end with a NUL
 * each, so they are given to the server without a copy. Of a tag only a hash is kept: another tag
 * may have the same, which costs a load.
 *
 * Pure functions, any thread. */
#ifndef EXTRA_H
#define EXTRA_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum {
    EXTRA_MAX = 8192, /* bytes of all extras of a value */
    EXTRA_TAGS = 64,  /* tags of a value, at most */
    EXTRA_OK = 200    /* the status of a value that names none */
};

enum extra_kind {
    EXTRA_STATUS = 1, /* 2 bytes */
    EXTRA_HEADER,     /* name, NUL, value, NUL; the name is lower-case */
    EXTRA_REVALIDATE, /* stale_while_revalidate, 8 bytes: milliseconds */
    EXTRA_IF_ERROR,   /* stale_if_error, likewise */
    EXTRA_TAG_HASHES, /* 4 bytes a tag */
    EXTRA_PACKED      /* how the value is compressed, 1 byte; 8 bytes: its length before */
};

/* --- writing --- */

struct extra {
    size_t n;            /* bytes written; 0: no extras */
    size_t tags, n_tags; /* the place of the field of tags, if there are any */
    char bytes[EXTRA_MAX];
};

static inline void extra_init(struct extra *x)
{
    x->n = x->n_tags = 0;
}

/* Each appends a field. TOOBIG: the extras have more than EXTRA_MAX bytes together. INVAL: the
 * content is wrong; e says how. */

/* A final status, from 200 to 599, that the server does not give by itself: not 206, 304, 412 and
 * 416. */
enum err extra_put_status(struct extra *x, double status, struct error *e);

/* A token and a text without CR, LF and NUL. Not a header that says how an answer travels, or that
 * the server writes itself, nor a second one where an answer has one, such as Content-Type. Space
 * around the value is dropped. */
enum err extra_put_header(struct extra *x, const char *name, size_t name_len, const char *value,
                          size_t value_len, struct error *e);

/* EXTRA_REVALIDATE or EXTRA_IF_ERROR. */
enum err extra_put_window(struct extra *x, enum extra_kind kind, uint64_t ms, struct error *e);

/* 1 to 255 bytes. All tags are put one after the other. */
enum err extra_put_tag(struct extra *x, const char *tag, size_t n, struct error *e);

/* The value is compressed (packed.h), and had so many bytes before. */
enum err extra_put_packed(struct extra *x, unsigned coding, uint64_t plain, struct error *e);

/* The hash of a tag, the same on every node. */
uint32_t extra_tag_hash(const char *tag, size_t n);

/* --- reading --- */

struct extra_field {
    unsigned kind;
    const char *bytes;
    size_t n;
};

/* Steps over a field of extras that extra_check() has taken. *at is their start at first. 0: there
 * are no more. */
int extra_next(const char **at, const char *end, struct extra_field *out);

/* Whether the bytes are extras as the functions above write them: to be asked of bytes from another
 * node or from a file. */
int extra_check(const void *bytes, size_t n);

int extra_status(const char *bytes, size_t n);

/* The value of the first header of that lower-case name, or NULL. */
const char *extra_header(const char *bytes, size_t n, const char *name);

/* Whether there is such a window; *ms is its length. */
int extra_window(const char *bytes, size_t n, enum extra_kind kind, uint64_t *ms);

/* How the value is compressed, with its length before in *plain; 0: it is not. */
unsigned extra_packed(const char *bytes, size_t n, uint64_t *plain);

/* The bytes of the value itself, of which so many were given. A peer may say any number. */
uint64_t extra_plain_bytes(const char *bytes, size_t n, size_t given);

int extra_has_tags(const char *bytes, size_t n);

/* The hashes of the tags: their number, at most EXTRA_TAGS. */
size_t extra_tag_hashes(const char *bytes, size_t n, uint32_t out[EXTRA_TAGS]);

/* 1: whoever asks for bytes alone may take those of an answer with this status for the value. */
static inline int extra_is_value(int status)
{
    return status >= 200 && status < 300;
}

/* The error of whoever asks for bytes alone, of an answer whose status is no value's: NOTFOUND for
 * 404 and 410, else GETTER. Returns its code. */
enum err extra_refuse(int status, const char *group, struct error *e);

#endif
