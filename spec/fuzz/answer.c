/* SPDX-License-Identifier: MIT */
/* answer.c - what a peer answers: a GetResponse, and the frames of a batch (wire/getresponse,
 * wire/batch). The pieces in which the bytes arrive make no difference. */
#include "fuzz.h"
#include "wire/batch.h"
#include "wire/getresponse.h"

enum { MAX_FRAME = 512 };

static void check_response(const char *bytes, size_t n)
{
    struct getresponse r, again;
    struct error e;
    struct buf out;
    char tail[GETRESPONSE_TAIL];

    if (getresponse_decode(bytes, n, &r, &e)) {
        HOLDS(e.code == ERR_PEER);
        return;
    }
    HOLDS(r.value >= bytes && r.value + r.value_len <= bytes + n);
    buf_init(&out, 0);
    pb_put_bytes(&out, 1, r.value, r.value_len);
    buf_put(&out, tail, getresponse_tail(tail, &r, 3));
    buf_put(&out, r.extra, r.extra_len);
    HOLDS(!getresponse_decode(out.data, out.len, &again, &e));
    HOLDS(again.value_len == r.value_len && !memcmp(again.value, r.value, r.value_len));
    HOLDS(again.expire_ns == r.expire_ns && again.extra_len == r.extra_len);
    HOLDS(!(r.minute_qps > 0) || again.minute_qps == r.minute_qps); /* others say nothing */
    buf_deinit(&out);
}

/* A frame that was read is the same once written. */
static void check_frame(const struct batch_answer *a)
{
    struct batch_answer again;
    struct error e;
    struct buf out;
    long n;

    if (!a->value && !a->code)
        return;
    buf_init(&out, 0);
    HOLDS(!batch_put_answer(&out, a));
    if (a->value)
        buf_put(&out, a->value, a->value_len);
    n = batch_get_answer(out.data, out.len, MAX_FRAME + BATCH_FRAME_OVERHEAD, &again, &e);
    HOLDS(n == (long)out.len);
    HOLDS(again.index == a->index && again.code == a->code && again.stale == a->stale);
    HOLDS(again.has_ttl == a->has_ttl && again.ttl_ms == a->ttl_ms && again.age_s == a->age_s);
    HOLDS(again.value_len == a->value_len && !again.value == !a->value);
    HOLDS(again.extra_len == a->extra_len);
    buf_deinit(&out);
}

/* The frames of a stream, of which only the first `there` bytes have arrived. */
static size_t count_frames(const char *bytes, size_t there, int *bad)
{
    struct batch_answer a;
    struct error e;
    size_t at = 0, frames = 0;
    long n;

    while ((n = batch_get_answer(bytes + at, there - at, MAX_FRAME, &a, &e)) > 0) {
        HOLDS(at + (size_t)n <= there);
        check_frame(&a);
        at += (size_t)n;
        frames++;
    }
    *bad = n < 0;
    return frames;
}

FUZZ_TARGET
{
    struct fuzz in = {data, size};
    size_t cut = fuzz_byte(&in), n, some, all;
    char *bytes = fuzz_bytes(&in, in.left, &n), *part;
    int bad_part, bad;

    check_response(bytes, n);
    cut = cut < n ? cut : n;
    part = malloc(cut ? cut : 1);
    memcpy(part, bytes, cut);
    some = count_frames(part, cut, &bad_part);
    all = count_frames(bytes, n, &bad);
    HOLDS(some <= all);
    HOLDS(!bad_part || (bad && some == all)); /* more bytes mend nothing */
    free(part);
    free(bytes);
    return 0;
}
