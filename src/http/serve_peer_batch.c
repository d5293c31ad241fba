/* SPDX-License-Identifier: MIT */
/* serve_peer_batch.c - batches from our own nodes (wire/batch.h).
 *
 * The values of a get are sent as they arrive. If all are ready at once, such as hits, they are one
 * plain answer. Else libmicrohttpd asks for more whenever it has sent its bytes; if no value is
 * ready, the connection is suspended (gather.c). Changes are made at this node alone. */
#include <microhttpd.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/mem.h"
#include "cache/group.h"
#include "cache/group_hand.h"
#include "cache/item.h"
#include "change/handing.h"
#include "http/access.h"
#include "http/doors.h"
#include "http/gather.h"
#include "http/server_in.h"
#include "wire/batch.h"
#include "wire/since.h"
#include "wire/until.h"

#define BATCH_TYPE "application/octet-stream"

enum {
    KEYS_BYTES = 64 * 1024 * 1024, /* of a request without a value, at most */
    KEY_OVERHEAD = 8,              /* of a key in it */
    PLAIN_BYTES = 1024 * 1024,     /* of values that are copied into one answer */
    BLOCK_BYTES = 16 * 1024        /* of an answer to HTTP/1.0, at a time */
};

struct batch_job {
    struct job job;
    struct batch_request request;
    struct gather *gather; /* of a get, once the body has arrived */

    /* The frame that is being sent: its head, then the bytes of a value. */
    struct buf head;
    const char *value;
    size_t head_sent, value_left;
};

/* --- a get --- */

/* Appends a frame without its value. The value, if any, is in a->value. */
static void put_frame(const struct batch_job *b, struct buf *out, const struct gathered *end,
                      struct batch_answer *a)
{
    const struct result *r = &end->result;
    struct item *it = r->item;
    uint64_t now_ms = clock_ms(), expires_ms = it ? item_expires_ms(it) : r->expires_ms;

    memset(a, 0, sizeof(*a));
    a->index = end->index;
    a->has_ttl = expires_ms != 0;
    a->ttl_ms = expires_ms > now_ms ? expires_ms - now_ms : 0;
    if (it) {
        a->value = item_value(it);
        a->value_len = it->value_len;
        a->age_s = item_age_s(it, now_ms);
        a->stale = r->source == SOURCE_STALE;
        a->minute_qps = group_hot_minute_qps(b->job.group, it->hash);
        a->extra = item_extra(it, &a->extra_len);
    } else {
        a->code = r->err.code;
        a->message = r->err.msg;
        a->message_len = strlen(r->err.msg);
    }
    batch_put_answer(out, a);
}

/* Begins the next frame. 0: no frame is ready. */
static int next_frame(struct batch_job *b)
{
    const struct gathered *end = gather_next(b->gather);
    struct batch_answer a;

    buf_reset(&b->head);
    b->head_sent = b->value_left = 0;
    if (!end)
        return 0;
    put_frame(b, &b->head, end, &a);
    b->value = a.value;
    b->value_left = a.value_len;
    return 1;
}

/* Copies as much of the current frame as fits. */
static size_t copy_some(struct batch_job *b, char *out, size_t max)
{
    size_t head = b->head.len - b->head_sent, value;

    head = head < max ? head : max;
    if (head)
        memcpy(out, b->head.data + b->head_sent, head);
    b->head_sent += head;
    value = b->value_left < max - head ? b->value_left : max - head;
    if (value)
        memcpy(out + head, b->value, value);
    b->value += value;
    b->value_left -= value;
    return head + value;
}

/* Copies as many frames as are ready and fit. -1: no memory for the next frame. */
static ssize_t fill(struct batch_job *b, char *out, size_t max)
{
    size_t n = 0, some;

    while (n < max) {
        some = copy_some(b, out + n, max - n);
        n += some;
        if (some)
            continue;
        if (!next_frame(b))
            break;
        if (b->head.failed)
            return -1;
    }
    return (ssize_t)n;
}

/* libmicrohttpd's content reader. 0: the connection is suspended. */
static ssize_t read_frames(void *arg, uint64_t pos, char *out, size_t max)
{
    struct batch_job *b = arg;
    int ended;
    ssize_t n;

    (void)pos;
    for (;;) {
        ended = gather_begin(b->gather);
        n = fill(b, out, max);
        if (n < 0) /* the other side sees that the answer is cut short */
            return MHD_CONTENT_READER_END_WITH_ERROR;
        if (n > 0)
            return n;
        if (ended)
            return MHD_CONTENT_READER_END_OF_STREAM;
        if (gather_wait(b->gather))
            return 0;
    }
}

static int answer_plain(struct batch_job *b)
{
    const struct gathered *end;
    struct batch_answer a;
    struct buf out;
    int ok;

    buf_init(&out, 0);
    while ((end = gather_next(b->gather))) {
        put_frame(b, &out, end, &a);
        if (a.value)
            buf_put(&out, a.value, a.value_len);
    }
    ok = answer_buf(job_to(&b->job), 200, BATCH_TYPE, &out);
    buf_deinit(&out);
    return ok;
}

static int answer_streamed(struct batch_job *b)
{
    struct MHD_Response *r =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_BYTES, read_frames, b, NULL);

    access_note_bytes(SIZE_MAX);
    if (r)
        MHD_add_response_header(r, "Content-Type", BATCH_TYPE);
    return answer_queue(job_to(&b->job), 200, r);
}

static int answer_get(struct batch_job *b)
{
    struct job *j = &b->job;
    const struct gather_opts o = {
        .connection = j->to.connection,
        .group = j->group,
        .keys = b->request.keys,
        .n_keys = b->request.n_keys,
        .traces = b->request.traces,
        .traces_len = b->request.traces_len,
        .budget = &j->server->budget,
    };
    struct error e;

    b->gather = gather_new(&o);
    if (!b->gather) {
        error_set(&e, ERR_BUSY, "no room for a batch of %zu keys", o.n_keys);
        return answer_error(job_to(j), &e);
    }
    if (gather_begin(b->gather) && gather_ready_bytes(b->gather) <= PLAIN_BYTES)
        return answer_plain(b);
    return answer_streamed(b);
}

/* --- changes --- */

/* --- what is held, and what is handed over --- */

/* Beyond PLAIN_BYTES of values the rest is not told: the other node loads it. */
static int answer_held(struct batch_job *b)
{
    const struct batch_request *r = &b->request;
    struct buf out;
    size_t i;
    int ok;

    buf_init(&out, 0);
    for (i = 0; i < r->n_keys; i++) {
        const struct key_ref k = group_key(r->keys[i].bytes, r->keys[i].n);
        struct gathered end = {.index = i};
        struct batch_answer a;

        if (out.len < PLAIN_BYTES)
            end.result.item = group_peek(b->job.group, &k, &end.result.source);
        if (!end.result.item)
            error_set(&end.result.err, ERR_NOTFOUND, "not held here");
        put_frame(b, &out, &end, &a);
        if (a.value)
            buf_put(&out, a.value, a.value_len);
        item_unref(end.result.item);
    }
    ok = answer_buf(job_to(&b->job), 200, BATCH_TYPE, &out);
    buf_deinit(&out);
    return ok;
}

static void keep_handed(struct batch_job *b)
{
    const struct batch_request *r = &b->request;
    size_t at = 0, n;
    struct batch_answer a;
    struct error e;
    long frame;

    for (n = r->value_len; n; n -= (size_t)frame, at += (size_t)frame) {
        frame = batch_get_answer(r->value + at, n, n, &a, &e);
        if (frame <= 0)
            return;
        if (a.value && a.index < r->n_keys) {
            const struct key *key = &r->keys[a.index];
            const struct key_ref k = group_key(key->bytes, key->n);
            const struct group_handed v = {a.value, a.value_len, a.has_ttl,  a.ttl_ms,
                                           a.age_s, a.extra,     a.extra_len};

            if (extra_check(a.extra, a.extra_len))
                group_hand_keep(b->job.group, &k, &v);
        }
    }
}

static void add_number(struct MHD_Response *r, const char *name, uint64_t n)
{
    char text[24];

    snprintf(text, sizeof(text), "%llu", (unsigned long long)n);
    MHD_add_response_header(r, name, text);
}

/* If the sender has another ring, it is told the peers of this one, which it may lack
 * (change/change.c). */
static int answer_changed(struct batch_job *b)
{
    const struct server_opts *o = &b->job.server->opts;
    const struct answer_to *to = job_to(&b->job);
    struct server_ring ring = {.urls = NULL};
    struct MHD_Response *r;
    struct buf urls;

    b->job.to.clock = until_clock();
    buf_init(&urls, 0);
    ring.urls = *to->view ? &urls : NULL;
    o->ring(o->ctx, b->job.group, &ring);
    r = urls.failed ? NULL
                    : MHD_create_response_from_buffer(urls.len, urls.data, MHD_RESPMEM_MUST_COPY);
    if (r)
        add_number(r, HEADER_SINCE, ring.since_ms);
    if (r && ring.stood_in_ms != UINT64_MAX)
        add_number(r, HEADER_STAND_IN, ring.stood_in_ms);
    access_note_bytes(urls.len);
    buf_deinit(&urls);
    return answer_queue(to, 200, r);
}

/* The sender has given the set up by now, or does so soon; or it does not know this clock, and
 * sends the set again. Nothing is changed. */
static int answer_late(struct batch_job *b)
{
    struct error e;

    b->job.to.clock = until_clock();
    if (b->request.until) {
        error_set(&e, ERR_TIMEOUT, "the set came later than its sender waits for it");
        doors_note_late(b->job.server, job_to(&b->job), b->job.group, &e);
    } else {
        error_set(&e, ERR_TIMEOUT, "the set does not say until when it may be carried out");
    }
    return answer_error(job_to(&b->job), &e);
}

static int answer_change(struct batch_job *b)
{
    const struct batch_request *r = &b->request;
    struct group *g = b->job.group;
    double ttl_ms = (double)r->ttl_ms;
    struct key_ref k;
    struct error e;
    size_t i;

    if (r->op == BATCH_FLUSH) {
        group_flush(g);
    } else if (r->op == BATCH_HAND) {
        keep_handed(b);
    } else if (r->op == BATCH_SET) {
        k = group_key(r->keys[0].bytes, r->keys[0].n);
        if (job_sender_is_gone(&b->job))
            return MHD_NO;
        if (r->has_until && until_is_past(r->until, until_clock()))
            return answer_late(b);
        if (!extra_check(r->extra, r->extra_len)) {
            error_set(&e, ERR_INVAL, "a BatchRequest to set a value with malformed extras");
            return answer_error(job_to(&b->job), &e);
        }
        if (group_change_given(g, &k,
                               &(struct given){.bytes = r->value,
                                               .n = r->value_len,
                                               .ttl_ms = r->has_ttl ? &ttl_ms : NULL,
                                               .extra = r->extra,
                                               .extra_len = r->extra_len},
                               &e))
            return answer_error(job_to(&b->job), &e);
    } else {
        for (i = 0; i < r->n_keys; i++) {
            k = group_key(r->keys[i].bytes, r->keys[i].n);
            group_remove(g, &k);
        }
    }
    return answer_changed(b);
}

/* --- what was changed lately --- */

static int answer_recent(struct batch_job *b)
{
    struct buf out;
    int ok;

    buf_init(&out, 0);
    since_begin(&out);
    since_end(&out, group_change_names(b->job.group, b->request.ttl_ms, &out));
    ok = answer_buf(job_to(&b->job), 200, BATCH_TYPE, &out);
    buf_deinit(&out);
    return ok;
}

/* --- the job --- */

static enum err check_keys(const struct batch_request *r, size_t max_key_bytes, struct error *e)
{
    size_t i;

    for (i = 0; i < r->n_keys; i++) {
        if (r->keys[i].n > max_key_bytes)
            return error_set(e, ERR_INVAL, "key %zu has %zu bytes, max_key_bytes is %zu", i,
                             r->keys[i].n, max_key_bytes);
    }
    return ERR_OK;
}

static int batch_run(struct job *j)
{
    struct batch_job *b = list_entry(j, struct batch_job, job);
    const char *group = group_name(j->group);
    struct error e;
    int ok;

    j->to.id = dialect_request_id(group, strlen(group), body_bytes(&j->body), j->body.len);
    if (batch_parse(body_bytes(&j->body), j->body.len, &b->request, &e) ||
        check_keys(&b->request, j->server->opts.max_key_bytes, &e))
        return answer_error(job_to(j), &e);
    body_forget(&j->body);
    if (b->request.op == BATCH_GET)
        return answer_get(b);
    if (b->request.op == BATCH_HELD)
        return answer_held(b);
    if (b->request.op == BATCH_RECENT)
        return answer_recent(b);
    return doors_admit_node(j->server, job_to(j), j->group, &ok) ? answer_change(b) : ok;
}

static void batch_end(struct job *j)
{
    struct batch_job *b = list_entry(j, struct batch_job, job);

    gather_drop(b->gather);
    batch_request_deinit(&b->request);
    buf_deinit(&b->head);
    job_deinit(j);
    mem_free(b);
}

static const struct job_kind batch_kind = {batch_run, batch_end};

/* The longest body that can make sense: a set of one value, keys, or items that are handed over. */
static size_t max_body(const struct server *s, struct group *g)
{
    size_t key = s->opts.max_key_bytes + KEY_OVERHEAD, keys = BATCH_MAX_KEYS * key;
    size_t set = (size_t)group_opts(g).max_value_bytes + key + BATCH_FRAME_OVERHEAD;
    size_t handed = HANDING_BYTES + HANDING_KEYS * key + 2 * BATCH_FRAME_OVERHEAD;

    keys = keys < KEYS_BYTES ? keys : KEYS_BYTES;
    set = set > handed ? set : handed;
    return set > keys ? set : keys;
}

int serve_peer_batch(struct asked *a)
{
    struct batch_job *b;
    struct group *g;
    int ok;

    g = job_group_of(a, &ok);
    if (!g)
        return ok;
    b = mem_zalloc(sizeof(*b));
    buf_init(&b->head, 0);
    job_init(&b->job, &batch_kind, a, g);
    return job_begin(&b->job, a->framing, max_body(b->job.server, g));
}
