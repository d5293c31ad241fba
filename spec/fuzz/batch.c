/* SPDX-License-Identifier: MIT */
/* batch.c - the request of a batch (wire/batch), as a node of ours sends it. */
#include "wire/batch.h"
#include "base/traceparent.h"
#include "fuzz.h"

static void is_same(const struct batch_request *a, const struct batch_request *b)
{
    size_t i;

    HOLDS(a->op == b->op && a->n_keys == b->n_keys && a->value_len == b->value_len);
    HOLDS(!a->value || (a->has_ttl == b->has_ttl && a->ttl_ms == b->ttl_ms));
    HOLDS(!a->value_len || !memcmp(a->value, b->value, a->value_len));
    for (i = 0; i < a->n_keys; i++)
        HOLDS(a->keys[i].n == b->keys[i].n &&
              !memcmp(a->keys[i].bytes, b->keys[i].bytes, a->keys[i].n));
}

/* Each key has a line or none; no line is read twice or beyond the end. */
static void walk_traces(const struct batch_request *r)
{
    struct traceparent t;
    size_t i, at = 0, before;

    for (i = 0; i < r->n_keys; i++) {
        before = at;
        if (batch_next_trace(r->traces, r->traces_len, &at, &t))
            HOLDS(strlen(t.text) == TRACEPARENT_BYTES &&
                  strlen(t.state) <= TRACEPARENT_STATE_BYTES);
        HOLDS(before >= r->traces_len ? at == before : at > before && at <= r->traces_len + 1);
    }
}

FUZZ_TARGET
{
    struct fuzz in = {data, size};
    struct batch_request r, again;
    struct error e;
    struct buf out;
    size_t n;
    char *bytes = fuzz_bytes(&in, in.left, &n);

    if (!batch_parse(bytes, n, &r, &e)) {
        HOLDS(r.op < BATCH_OPS && r.n_keys <= BATCH_MAX_KEYS);
        HOLDS(r.op != BATCH_SET || (r.n_keys == 1 && r.value));
        buf_init(&out, 0);
        HOLDS(!batch_put(&out, &r));
        HOLDS(!batch_parse(out.data, out.len, &again, &e));
        is_same(&r, &again);
        HOLDS(again.traces_len == r.traces_len);
        walk_traces(&r);
        batch_request_deinit(&again);
        batch_request_deinit(&r);
        buf_deinit(&out);
    } else {
        HOLDS(e.code == ERR_INVAL);
    }
    free(bytes);
    return 0;
}
