/* SPDX-License-Identifier: MIT */
#include "net/decoder.h"

#include "base/mem.h"
#include "net/brotli.h"
#include "net/inflate.h"
#include "net/zst.h"

struct decoder {
    enum head_coding coding;
    struct inflate *inflate; /* the coding's own is set */
    struct brotli *brotli;
    struct zst *zst;
};

const char *decoder_codings(void)
{
    static const char *const texts[] = {"gzip, deflate", "gzip, deflate, br", "gzip, deflate, zstd",
                                        "gzip, deflate, br, zstd"};

    return texts[(brotli_is_there() ? 1 : 0) + (zst_is_there() ? 2 : 0)];
}

int decoder_knows(enum head_coding coding)
{
    switch (coding) {
    case HEAD_GZIP:
    case HEAD_DEFLATE:
        return 1;
    case HEAD_BROTLI:
        return brotli_is_there();
    case HEAD_ZSTD:
        return zst_is_there();
    default:
        return 0;
    }
}

struct decoder *decoder_new(enum head_coding coding)
{
    struct decoder *d = mem_alloc(sizeof(*d));

    if (!d)
        return NULL;
    *d = (struct decoder){.coding = coding};
    if (coding == HEAD_BROTLI)
        d->brotli = brotli_new();
    else if (coding == HEAD_ZSTD)
        d->zst = zst_new();
    else
        d->inflate = inflate_new(coding == HEAD_GZIP ? INFLATE_GZIP : INFLATE_DEFLATE);
    if (d->brotli || d->zst || d->inflate)
        return d;
    mem_free(d);
    return NULL;
}

void decoder_free(struct decoder *d)
{
    if (!d)
        return;
    brotli_free(d->brotli);
    zst_free(d->zst);
    inflate_free(d->inflate);
    mem_free(d);
}

const char *decoder_put(struct decoder *d, const char *bytes, size_t n, struct buf *out)
{
    if (d->coding == HEAD_BROTLI)
        return brotli_put(d->brotli, bytes, n, out);
    if (d->coding == HEAD_ZSTD)
        return zst_put(d->zst, bytes, n, out);
    return inflate_put(d->inflate, bytes, n, out);
}

int decoder_is_whole(const struct decoder *d)
{
    if (d->coding == HEAD_BROTLI)
        return brotli_is_whole(d->brotli);
    if (d->coding == HEAD_ZSTD)
        return zst_is_whole(d->zst);
    return inflate_is_whole(d->inflate);
}
