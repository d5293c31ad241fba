/* SPDX-License-Identifier: MIT */
#include "net/zst.h"

#ifdef HAVE_ZSTD

#include <zstd.h>

#include "base/mem.h"

enum {
    STEP = 16 << 10, /* bytes that are decoded before the next look at the bound */
    WINDOW_LOG = 23  /* RFC 9659: a window of 8 MB is the most that a body may ask for */
};

struct zst {
    ZSTD_DStream *stream;
    int whole; /* a frame has ended, and no other has begun */
};

int zst_is_there(void)
{
    return 1;
}

struct zst *zst_new(void)
{
    struct zst *d = mem_alloc(sizeof(*d));

    if (!d)
        return NULL;
    d->whole = 0;
    d->stream = ZSTD_createDStream();
    if (d->stream &&
        !ZSTD_isError(ZSTD_DCtx_setParameter(d->stream, ZSTD_d_windowLogMax, WINDOW_LOG)))
        return d;
    ZSTD_freeDStream(d->stream);
    mem_free(d);
    return NULL;
}

void zst_free(struct zst *d)
{
    if (!d)
        return;
    ZSTD_freeDStream(d->stream);
    mem_free(d);
}

/* After a frame another may follow. */
const char *zst_put(struct zst *d, const char *bytes, size_t n, struct buf *out)
{
    ZSTD_inBuffer in = {bytes, n, 0};
    int full = 1; /* the decoder may hold more bytes */

    while ((in.pos < in.size || full) && !out->failed) {
        char step[STEP];
        ZSTD_outBuffer to = {step, STEP, 0};
        size_t rc;

        if (d->whole && in.pos == in.size)
            break;
        rc = ZSTD_decompressStream(d->stream, &to, &in);
        if (ZSTD_isError(rc))
            return "a compressed body that cannot be decoded";
        buf_put(out, step, to.pos);
        full = to.pos == to.size;
        d->whole = rc == 0;
    }
    return NULL;
}

int zst_is_whole(const struct zst *d)
{
    return d->whole;
}

#else

int zst_is_there(void)
{
    return 0;
}

struct zst *zst_new(void)
{
    return NULL;
}

void zst_free(struct zst *d)
{
    (void)d;
}

const char *zst_put(struct zst *d, const char *bytes, size_t n, struct buf *out)
{
    (void)d;
    (void)bytes;
    (void)n;
    (void)out;
    return "a Content-Encoding that this build cannot decode";
}

int zst_is_whole(const struct zst *d)
{
    (void)d;
    return 0;
}

#endif
