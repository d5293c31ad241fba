/* SPDX-License-Identifier: MIT */
#include "cache/packed.h"

#include <string.h>
#include <strings.h>
#include <zlib.h>
#ifdef HAVE_ZSTD
#include <zstd.h>
#endif

#include "base/mem.h"
#include "cache/item.h"

enum {
    GZIP_LEVEL = 6, /* zlib's own default */
    ZSTD_LEVEL = 3, /* libzstd's own default */
    BITS_GZIP = 16 + MAX_WBITS,
    GZIP_MEMORY = 8 /* zlib's own default of memLevel */
};

const char *packed_name(enum packed_coding coding)
{
    if (coding == PACKED_GZIP)
        return "gzip";
#ifdef HAVE_ZSTD
    if (coding == PACKED_ZSTD)
        return "zstd";
#endif
    return NULL;
}

/* Each returns the number of bytes, or 0: there is no room in `size` bytes, or no memory. */

static size_t make_gzip(const void *bytes, size_t n, char *out, size_t size)
{
    z_stream z = {.next_in = (Bytef *)(size_t)bytes, .avail_in = (uInt)n};
    int end;

    if (deflateInit2(&z, GZIP_LEVEL, Z_DEFLATED, BITS_GZIP, GZIP_MEMORY, Z_DEFAULT_STRATEGY))
        return 0;
    z.next_out = (Bytef *)out;
    z.avail_out = (uInt)size;
    end = deflate(&z, Z_FINISH);
    deflateEnd(&z);
    return end == Z_STREAM_END ? size - z.avail_out : 0;
}

static size_t open_gzip(const void *bytes, size_t n, char *out, size_t size)
{
    z_stream z = {.next_in = (Bytef *)(size_t)bytes, .avail_in = (uInt)n};
    int end;

    if (inflateInit2(&z, BITS_GZIP))
        return 0;
    z.next_out = (Bytef *)out;
    z.avail_out = (uInt)size;
    end = inflate(&z, Z_FINISH);
    inflateEnd(&z);
    return end == Z_STREAM_END ? size - z.avail_out : 0;
}

#ifdef HAVE_ZSTD
static size_t whole(size_t n)
{
    return ZSTD_isError(n) ? 0 : n;
}
#endif

static size_t make_zstd(const void *bytes, size_t n, char *out, size_t size)
{
#ifdef HAVE_ZSTD
    return whole(ZSTD_compress(out, size, bytes, n, ZSTD_LEVEL));
#else
    (void)bytes, (void)n, (void)out, (void)size;
    return 0;
#endif
}

static size_t open_zstd(const void *bytes, size_t n, char *out, size_t size)
{
#ifdef HAVE_ZSTD
    return whole(ZSTD_decompress(out, size, bytes, n));
#else
    (void)bytes, (void)n, (void)out, (void)size;
    return 0;
#endif
}

char *packed_make(enum packed_coding coding, const void *bytes, size_t n, size_t *out_n)
{
    size_t size = n - n / PACKED_SAVES;
    char *out = mem_alloc(size), *less;

    if (!out)
        return NULL;
    *out_n =
        coding == PACKED_GZIP ? make_gzip(bytes, n, out, size) : make_zstd(bytes, n, out, size);
    if (!*out_n) {
        mem_free(out);
        return NULL;
    }
    less = mem_realloc(out, *out_n);
    return less ? less : out;
}

/* Whether a list of a header has this word. */
static int has_word(const char *list, const char *word)
{
    size_t n = strlen(word);

    for (; *list; list++) {
        if (strncasecmp(list, word, n) == 0)
            return 1;
    }
    return 0;
}

int packed_may(const char *extra, size_t n)
{
    const char *control = extra_header(extra, n, "cache-control");

    return !extra_header(extra, n, "content-encoding") &&
           !(control && has_word(control, "no-transform"));
}

enum packed_coding packed_of(const struct item *it)
{
    uint64_t plain;
    const char *extra;
    size_t n;

    if (!it->special)
        return PACKED_NOT;
    extra = item_extra(it, &n);
    return (enum packed_coding)extra_packed(extra, n, &plain);
}

size_t packed_plain_bytes(const struct item *it)
{
    uint64_t plain = 0;
    const char *extra;
    size_t n;

    if (!it->special)
        return it->value_len;
    extra = item_extra(it, &n);
    return extra_packed(extra, n, &plain) ? (size_t)plain : it->value_len;
}

/* The extras without the field that says that the value is packed. */
static size_t put_others(const char *extra, size_t n, char out[EXTRA_MAX])
{
    const char *at = extra, *from = extra;
    struct extra_field f;
    size_t len = 0;

    while (extra_next(&at, extra + n, &f)) {
        if (f.kind != EXTRA_PACKED) {
            memcpy(out + len, from, (size_t)(at - from));
            len += (size_t)(at - from);
        }
        from = at;
    }
    return len;
}

struct item *packed_open(struct item *it, struct error *e)
{
    enum packed_coding coding = packed_of(it);
    struct key_ref k = item_key_ref(it);
    char others[EXTRA_MAX];
    uint64_t plain = 0;
    const char *extra;
    struct item *out;
    size_t n, got;

    if (coding == PACKED_NOT)
        return item_ref(it);
    extra = item_extra(it, &n);
    extra_packed(extra, n, &plain);
    n = put_others(extra, n, others);
    out = item_new_extra(&k, NULL, (size_t)plain, item_expires_ms(it), others, n);
    if (!out) {
        error_set(e, ERR_NOMEM, "no memory for a value of %llu bytes", (unsigned long long)plain);
        return NULL;
    }
    out->made_s = it->made_s;
    got = coding == PACKED_GZIP
              ? open_gzip(item_value(it), it->value_len, item_value(out), (size_t)plain)
              : open_zstd(item_value(it), it->value_len, item_value(out), (size_t)plain);
    if (got && got == plain)
        return out;
    item_unref(out);
    error_set(e, ERR_GETTER, "the value is kept as %s, which %s",
              coding == PACKED_GZIP ? "gzip" : "zstd",
              packed_name(coding) ? "cannot be decompressed" : "this build lacks");
    return NULL;
}
