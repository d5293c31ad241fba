/* SPDX-License-Identifier: MIT */
#include "net/brotli.h"

#ifdef HAVE_BROTLI

#include <brotli/decode.h>

#include "base/mem.h"

enum { STEP = 16 << 10 }; /* bytes that are decoded before the next look at the bound */

struct brotli {
    BrotliDecoderState *state;
    int whole; /* the stream has ended */
};

int brotli_is_there(void)
{
    return 1;
}

static void *take(void *arg, size_t n)
{
    (void)arg;
    return mem_alloc(n);
}

static void give_back(void *arg, void *p)
{
    (void)arg;
    mem_free(p);
}

struct brotli *brotli_new(void)
{
    struct brotli *d = mem_alloc(sizeof(*d));

    if (!d)
        return NULL;
    d->whole = 0;
    d->state = BrotliDecoderCreateInstance(take, give_back, NULL);
    if (d->state)
        return d;
    mem_free(d);
    return NULL;
}

void brotli_free(struct brotli *d)
{
    if (!d)
        return;
    BrotliDecoderDestroyInstance(d->state);
    mem_free(d);
}

/* Codes of the decoder for a lack of memory: -21 to -31. */
static int is_out_of_memory(const struct brotli *d)
{
    int code = (int)BrotliDecoderGetErrorCode(d->state);

    return code <= BROTLI_DECODER_ERROR_ALLOC_CONTEXT_MODES &&
           code >= BROTLI_DECODER_ERROR_ALLOC_BLOCK_TYPE_TREES;
}

const char *brotli_put(struct brotli *d, const char *bytes, size_t n, struct buf *out)
{
    const uint8_t *in = (const uint8_t *)bytes;
    BrotliDecoderResult rc = BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT;
    uint8_t step[STEP];

    if (d->whole)
        return n ? "bytes behind its compressed body" : NULL;
    while (rc == BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT && !out->failed) {
        uint8_t *to = step;
        size_t room = STEP;

        rc = BrotliDecoderDecompressStream(d->state, &n, &in, &room, &to, NULL);
        buf_put(out, step, STEP - room);
    }
    d->whole = rc == BROTLI_DECODER_RESULT_SUCCESS;
    if (rc == BROTLI_DECODER_RESULT_ERROR && is_out_of_memory(d))
        out->failed = ERR_NOMEM;
    else if (rc == BROTLI_DECODER_RESULT_ERROR)
        return "a compressed body that cannot be decoded";
    return d->whole && n ? "bytes behind its compressed body" : NULL;
}

int brotli_is_whole(const struct brotli *d)
{
    return d->whole;
}

#else

int brotli_is_there(void)
{
    return 0;
}

struct brotli *brotli_new(void)
{
    return NULL;
}

void brotli_free(struct brotli *d)
{
    (void)d;
}

const char *brotli_put(struct brotli *d, const char *bytes, size_t n, struct buf *out)
{
    (void)d;
    (void)bytes;
    (void)n;
    (void)out;
    return "a Content-Encoding that this build cannot decode";
}

int brotli_is_whole(const struct brotli *d)
{
    (void)d;
    return 0;
}

#endif
