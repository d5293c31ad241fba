/* SPDX-License-Identifier: MIT */
#include "cache/extra.h"

#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/token.h"

enum { PLAIN_MAX = 1 << 30 /* ITEM_MAX_BYTES */ };

enum { HEAD = 3, TAG_BYTES = 255, HASH_BYTES = 4, SHOWN = 60 };

/* --- numbers, the lower byte first --- */

static void put_number(char *out, uint64_t n, size_t bytes)
{
    size_t i;

    for (i = 0; i < bytes; i++, n >>= 8)
        out[i] = (char)(n & 0xff);
}

static uint64_t get_number(const char *at, size_t bytes)
{
    uint64_t n = 0;

    while (bytes)
        n = n << 8 | (unsigned char)at[--bytes];
    return n;
}

/* --- writing --- */

/* Appends the head of a field, and returns where its content goes. NULL: there is no room. */
static char *begin(struct extra *x, unsigned kind, size_t n, struct error *e)
{
    char *at = x->bytes + x->n;

    if (n + HEAD > EXTRA_MAX - x->n) {
        error_set(e, ERR_TOOBIG, "headers and tags have more than %d bytes together", EXTRA_MAX);
        return NULL;
    }
    at[0] = (char)kind;
    put_number(at + 1, n, 2);
    x->n += HEAD + n;
    return at + HEAD;
}

/* What the server answers by itself, to a condition or for a part of the value. */
static int is_the_servers(int status)
{
    return status == 206 || status == 304 || status == 412 || status == 416;
}

enum err extra_put_status(struct extra *x, double status, struct error *e)
{
    int whole = status >= 200 && status <= 599 ? (int)status : 0;
    char *at;

    if (!whole || (double)whole != status || is_the_servers(whole))
        return error_set(e, ERR_INVAL,
                         "status is %.14g, and must be an integer from 200 to 599, without 206, "
                         "304, 412 and 416, which the server gives by itself",
                         status);
    at = begin(x, EXTRA_STATUS, 2, e);
    if (!at)
        return ERR_TOOBIG;
    put_number(at, (uint64_t)whole, 2);
    return ERR_OK;
}

/* Headers between two neighbours on the way (RFC 9110, 7.6.1), and those that only the server can
 * know when it sends the answer. */
static int is_refused(const char *name, size_t n)
{
    static const char *const names[] = {
        "accept-ranges",
        "age",
        "connection",
        "content-length",
        "content-range",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authentication-info",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "x-cache",
    };
    static const char ours[] = "x-groupcache-";
    size_t i;

    for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
        if (strlen(names[i]) == n && memcmp(names[i], name, n) == 0)
            return 1;
    }
    return n >= strlen(ours) && memcmp(name, ours, strlen(ours)) == 0;
}

/* Headers of which an answer has one: a client would take either. */
static int is_single(const char *name)
{
    static const char *const names[] = {"content-type",  "date",     "etag",       "expires",
                                        "last-modified", "location", "retry-after"};
    size_t i;

    for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
        if (strcmp(names[i], name) == 0)
            return 1;
    }
    return 0;
}

static int is_space(char c)
{
    return c == ' ' || c == '\t';
}

static const char *wrong_header(const char *name, size_t name_len, const char *value,
                                size_t value_len)
{
    if (!name_len || token_len(name, name_len) != name_len)
        return "is no name of a header: letters, digits and !#$%&'*+-.^_`|~";
    if (is_refused(name, name_len))
        return "says how an answer travels, or is the node's own, and cannot be given";
    return token_is_value(value, value_len) ? NULL
                                            : "has a value with a line end or another control byte";
}

enum err extra_put_header(struct extra *x, const char *name, size_t name_len, const char *value,
                          size_t value_len, struct error *e)
{
    const char *wrong;
    char *at;
    size_t i;

    while (value_len && is_space(*value)) {
        value++;
        value_len--;
    }
    while (value_len && is_space(value[value_len - 1]))
        value_len--;
    at = name_len + value_len < EXTRA_MAX ? begin(x, EXTRA_HEADER, name_len + value_len + 2, e)
                                          : begin(x, EXTRA_HEADER, EXTRA_MAX, e);
    if (!at)
        return ERR_TOOBIG;
    for (i = 0; i < name_len; i++)
        at[i] = name[i] >= 'A' && name[i] <= 'Z' ? (char)(name[i] | 0x20) : name[i];
    at[name_len] = '\0';
    if (value_len)
        memcpy(at + name_len + 1, value, value_len);
    at[name_len + 1 + value_len] = '\0';
    wrong = wrong_header(at, name_len, value, value_len);
    if (!wrong && is_single(at) && extra_header(x->bytes, x->n, at) != at + name_len + 1)
        wrong = "is there twice, and can be there once";
    return wrong ? error_set(e, ERR_INVAL, "header \"%.*s\" %s",
                             (int)(name_len < SHOWN ? name_len : SHOWN), name, wrong)
                 : ERR_OK;
}

enum err extra_put_window(struct extra *x, enum extra_kind kind, uint64_t ms, struct error *e)
{
    char *at = begin(x, kind, 8, e);

    if (!at)
        return ERR_TOOBIG;
    put_number(at, ms, 8);
    return ERR_OK;
}

/* Tags that follow each other share a field. */
enum err extra_put_tag(struct extra *x, const char *tag, size_t n, struct error *e)
{
    if (!n || n > TAG_BYTES)
        return error_set(e, ERR_INVAL, "a tag has %zu bytes, and must have 1 to %d", n, TAG_BYTES);
    if (x->n_tags == EXTRA_TAGS)
        return error_set(e, ERR_TOOBIG, "a value has more than %d tags", EXTRA_TAGS);
    if (HEAD + HASH_BYTES > EXTRA_MAX - x->n)
        return error_set(e, ERR_TOOBIG, "headers and tags have more than %d bytes together",
                         EXTRA_MAX);
    if (!x->n_tags) {
        x->tags = x->n;
        begin(x, EXTRA_TAG_HASHES, 0, e);
    }
    x->n_tags++;
    put_number(x->bytes + x->n, extra_tag_hash(tag, n), HASH_BYTES);
    put_number(x->bytes + x->tags + 1, x->n_tags * HASH_BYTES, 2);
    x->n += HASH_BYTES;
    return ERR_OK;
}

enum err extra_put_packed(struct extra *x, unsigned coding, uint64_t plain, struct error *e)
{
    char *at = begin(x, EXTRA_PACKED, 1 + 8, e);

    if (!at)
        return ERR_TOOBIG;
    *at = (char)coding;
    put_number(at + 1, plain, 8);
    return ERR_OK;
}

uint32_t extra_tag_hash(const char *tag, size_t n)
{
    uint64_t hash = hash_fnv1a_64(tag, n);

    return (uint32_t)(hash ^ hash >> 32);
}

/* --- reading --- */

int extra_next(const char **at, const char *end, struct extra_field *out)
{
    if (end - *at < HEAD)
        return 0;
    out->kind = (unsigned char)**at;
    out->n = (size_t)get_number(*at + 1, 2);
    out->bytes = *at + HEAD;
    *at += HEAD + out->n;
    return 1;
}

static int check_header(const struct extra_field *f)
{
    size_t name_len = strnlen(f->bytes, f->n);
    size_t value_len = f->n - name_len - 2, i;

    if (name_len + 2 > f->n || f->bytes[f->n - 1] != '\0')
        return 0;
    for (i = 0; i < name_len; i++) {
        if (f->bytes[i] >= 'A' && f->bytes[i] <= 'Z')
            return 0;
    }
    return !wrong_header(f->bytes, name_len, f->bytes + name_len + 1, value_len);
}

static int check_field(const struct extra_field *f)
{
    struct extra x;

    switch (f->kind) {
    case EXTRA_STATUS:
        extra_init(&x);
        return f->n == 2 && !extra_put_status(&x, (double)get_number(f->bytes, 2), NULL);
    case EXTRA_HEADER:
        return check_header(f);
    case EXTRA_REVALIDATE:
    case EXTRA_IF_ERROR:
        return f->n == 8 && get_number(f->bytes, 8) < UINT64_MAX / 4;
    case EXTRA_PACKED:
        return f->n == 9 && f->bytes[0] && get_number(f->bytes + 1, 8) <= PLAIN_MAX;
    case EXTRA_TAG_HASHES:
        return f->n && f->n % HASH_BYTES == 0 && f->n / HASH_BYTES <= EXTRA_TAGS;
    default:
        return 1;
    }
}

int extra_check(const void *bytes, size_t n)
{
    const char *at = bytes, *end;
    struct extra_field f;

    if (!n || n > EXTRA_MAX)
        return !n;
    end = at + n;
    while (end - at >= HEAD) {
        if ((size_t)(end - at - HEAD) < get_number(at + 1, 2))
            return 0;
        extra_next(&at, end, &f);
        if (!check_field(&f))
            return 0;
    }
    return at == end;
}

/* The first field of that kind. */
static int find(const char *bytes, size_t n, unsigned kind, struct extra_field *out)
{
    const char *at = bytes;

    while (n && extra_next(&at, bytes + n, out)) {
        if (out->kind == kind)
            return 1;
    }
    return 0;
}

int extra_status(const char *bytes, size_t n)
{
    struct extra_field f;

    return find(bytes, n, EXTRA_STATUS, &f) ? (int)get_number(f.bytes, 2) : EXTRA_OK;
}

const char *extra_header(const char *bytes, size_t n, const char *name)
{
    const char *at = bytes;
    struct extra_field f;

    while (n && extra_next(&at, bytes + n, &f)) {
        if (f.kind == EXTRA_HEADER && strcmp(f.bytes, name) == 0)
            return f.bytes + strlen(name) + 1;
    }
    return NULL;
}

int extra_window(const char *bytes, size_t n, enum extra_kind kind, uint64_t *ms)
{
    struct extra_field f;

    if (!find(bytes, n, kind, &f))
        return 0;
    *ms = get_number(f.bytes, 8);
    return 1;
}

unsigned extra_packed(const char *bytes, size_t n, uint64_t *plain)
{
    struct extra_field f;

    if (!find(bytes, n, EXTRA_PACKED, &f))
        return 0;
    *plain = get_number(f.bytes + 1, 8);
    return (unsigned char)*f.bytes;
}

uint64_t extra_plain_bytes(const char *bytes, size_t n, size_t given)
{
    uint64_t plain = given;

    extra_packed(bytes, n, &plain);
    return plain > given ? plain : given;
}

int extra_has_tags(const char *bytes, size_t n)
{
    struct extra_field f;

    return find(bytes, n, EXTRA_TAG_HASHES, &f);
}

size_t extra_tag_hashes(const char *bytes, size_t n, uint32_t out[EXTRA_TAGS])
{
    struct extra_field f;
    size_t i;

    if (!find(bytes, n, EXTRA_TAG_HASHES, &f))
        return 0;
    for (i = 0; i < f.n / HASH_BYTES && i < EXTRA_TAGS; i++)
        out[i] = (uint32_t)get_number(f.bytes + i * HASH_BYTES, HASH_BYTES);
    return i;
}

enum err extra_refuse(int status, const char *group, struct error *e)
{
    enum err code = status == 404 || status == 410 ? ERR_NOTFOUND : ERR_GETTER;

    return error_set(e, code,
                     "group %s: the answer for this key has the status %d, and is no value", group,
                     status);
}
