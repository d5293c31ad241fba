/* SPDX-License-Identifier: MIT */
#include "net/inflate.h"

#include <string.h>
#include <zlib.h>

#include "base/mem.h"

enum { STEP = 16 << 10 }; /* bytes that are decoded before the next look at the bound */

enum { BITS_GZIP = 16 + MAX_WBITS, BITS_ZLIB = MAX_WBITS, BITS_RAW = -MAX_WBITS };

struct inflate {
    z_stream z;
    enum inflate_coding coding;
    int begun; /* inflateInit2() was called */
    int whole; /* the stream has ended */
};

struct inflate *inflate_new(enum inflate_coding coding)
{
    struct inflate *d = mem_alloc(sizeof(*d));

    if (!d)
        return NULL;
    memset(d, 0, sizeof(*d));
    d->coding = coding;
    return d;
}

void inflate_free(struct inflate *d)
{
    if (d && d->begun)
        inflateEnd(&d->z);
    mem_free(d);
}

/* "deflate" is the format of zlib (RFC 9110, 8.4.1.2), but some servers omit its header. The low
 * half of the header's first byte is 8. */
static int begin(struct inflate *d, unsigned char first)
{
    int bits = d->coding == INFLATE_GZIP ? BITS_GZIP : (first & 0xf) == 8 ? BITS_ZLIB : BITS_RAW;

    d->begun = inflateInit2(&d->z, bits) == Z_OK;
    return d->begun;
}

/* After a member of gzip another may follow. */
static int begin_member(struct inflate *d)
{
    if (d->coding != INFLATE_GZIP)
        return 0;
    d->whole = 0;
    return inflateReset(&d->z) == Z_OK;
}

/* One step. */
static const char *decode(struct inflate *d, struct buf *out)
{
    unsigned char step[STEP];
    int rc;

    if (d->whole && !begin_member(d))
        return "bytes behind its compressed body";
    d->z.next_out = step;
    d->z.avail_out = STEP;
    rc = inflate(&d->z, Z_NO_FLUSH);
    if (rc == Z_MEM_ERROR) {
        out->failed = ERR_NOMEM;
        return NULL;
    }
    if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR)
        return "a compressed body that cannot be decoded";
    buf_put(out, step, STEP - d->z.avail_out);
    d->whole = rc == Z_STREAM_END;
    return NULL;
}

const char *inflate_put(struct inflate *d, const char *bytes, size_t n, struct buf *out)
{
    const char *flaw = NULL;

    if (n && !d->begun && !begin(d, (unsigned char)*bytes)) {
        out->failed = ERR_NOMEM;
        return NULL;
    }
    d->z.next_in = (unsigned char *)(size_t)bytes; /* zlib does not write to it */
    d->z.avail_in = (unsigned)n;
    d->z.avail_out = 1;
    while (!flaw && !out->failed && (d->z.avail_in || (!d->z.avail_out && !d->whole)))
        flaw = decode(d, out);
    return flaw;
}

int inflate_is_whole(const struct inflate *d)
{
    return d->whole;
}
