/* SPDX-License-Identifier: MIT */
/* serve_many.c - a client's many keys of a group: a JSON list in, a JSON list of results out. The
 * list may also be one of keys or tags to be removed: that is one change over all nodes
 * (changing.h).
 *
 * The keys are loaded a window at a time, and the connection is suspended during each window. So
 * only the values of one window and the written part of the answer are held, both within the
 * budget of the server. */
#include <microhttpd.h>
#include <string.h>

#include "base/list.h"
#include "base/mem.h"
#include "base/traceparent.h"
#include "cache/group.h"
#include "cache/group_many.h"
#include "cache/item.h"
#include "cache/tags.h"
#include "http/changing.h"
#include "http/doors.h"
#include "http/server_in.h"
#include "wire/keylist.h"

enum {
    BODY_BYTES = 64 * 1024 * 1024,    /* of a request */
    VALUES_BYTES = 64 * 1024 * 1024,  /* of an answer's values together */
    ANSWER_BYTES = 256 * 1024 * 1024, /* of an answer: JSON takes more than the values */
    WINDOW = 1024,                    /* keys */
    PART_BYTES = 128 * 1024,          /* of a value that are written at once */
    RESULT_BYTES = 128                /* around a value, with its key */
};

struct list_job {
    struct job job;
    struct keylist keys;      /* empty until the body was read */
    size_t answered;          /* keys, from the first on */
    struct many *many;        /* the window: the keys behind the answered ones, or NULL */
    size_t taken;             /* results of it that are in out */
    struct keylist_part part; /* of the value that is next */
    enum err failed;          /* NOMEM: for a window; BUSY: no room for the answer */
    size_t values;            /* bytes of values in out */
    struct buf out;
    size_t out_held;          /* bytes of out in the server's budget */
    atomic_size_t held;       /* bytes of the window's values there */
    struct changing changing; /* of keys to be removed */
};

/* Any thread: the window has ended. */
static void on_done(void *ctx, struct many *m)
{
    struct list_job *l = ctx;

    (void)m;
    server_loop_unpark(&l->job.parking);
}

/* Any thread: the budget has room for a value. */
static int keep(void *ctx, size_t bytes)
{
    struct list_job *l = ctx;

    if (!budget_take(&l->job.server->budget, bytes))
        return 0;
    atomic_fetch_add_explicit(&l->held, bytes, memory_order_relaxed);
    return 1;
}

static int ask_window(struct list_job *l)
{
    struct traceparent trace;
    const struct many_caller caller = {
        .done = on_done, .keep = keep, .ctx = l, .trace = job_trace(l->job.to.connection, &trace)};
    size_t n = l->keys.n - l->answered;
    int ok;

    if (!job_may_park(&l->job, &ok))
        return ok;
    n = n < WINDOW ? n : WINDOW;
    server_loop_park(&l->job.parking, l->job.to.connection); /* before on_done() can run */
    l->many = group_many_start(l->job.group, l->keys.list + l->answered, n, 0, &caller);
    if (!l->many) {
        l->failed = ERR_NOMEM;
        server_loop_unpark(&l->job.parking);
    }
    return MHD_YES;
}

/* The answer has grown: the budget must have room for it. */
static void hold_answer(struct list_job *l)
{
    size_t more = l->out.cap - l->out_held;

    if (more && budget_take(&l->job.server->budget, more))
        l->out_held += more;
    else if (more)
        l->failed = ERR_BUSY;
}

static void next_result(struct list_job *l)
{
    memset(&l->part, 0, sizeof(l->part));
    l->taken++;
    l->answered++;
}

/* Writes the next result, or a part of it. */
static void put_result(struct list_job *l)
{
    const struct result *r = group_many_open(l->many, l->taken);
    const struct key *key = &l->keys.list[l->answered];
    int first = l->answered == 0;
    struct error e = r->err;

    if (r->item && !item_is_value(r->item)) {
        extra_refuse(item_status(r->item), group_name(l->job.group), &e);
        keylist_put_error(&l->out, first, key, &e);
        next_result(l);
        return;
    }
    if (r->item && (l->part.begun || r->item->value_len <= VALUES_BYTES - l->values)) {
        l->values += l->part.begun ? 0 : r->item->value_len;
        if (keylist_put_value(&l->out, first, key, item_value(r->item), r->item->value_len,
                              source_name(r->source), &l->part, PART_BYTES))
            next_result(l);
        return;
    }
    if (r->item)
        error_set(&e, ERR_TOOBIG, "the values of this list have more than %d bytes together",
                  VALUES_BYTES);
    keylist_put_error(&l->out, first, key, &e);
    next_result(l);
}

/* Makes room for the values of the window at once. Else the buffer would be copied as it grows:
 * 25 ms for 32 MB. Values that are escaped, or not text, take more. */
static void reserve(struct list_job *l)
{
    size_t i, n = group_many_count(l->many), bytes = 0;

    for (i = 0; i < n; i++) {
        size_t one = group_many_bytes(l->many, i);

        if (one <= VALUES_BYTES - l->values - bytes)
            bytes += one;
    }
    if (bytes < PART_BYTES)
        return;
    buf_reserve(&l->out, bytes + n * RESULT_BYTES);
    hold_answer(l);
}

/* Writes results of the window. 0: it is not written yet, and other connections are next. */
static int take_window(struct list_job *l)
{
    size_t n = group_many_count(l->many), before;

    if (!l->taken && !l->part.begun)
        reserve(l);
    while (l->taken < n && !l->failed) {
        if (!server_loop_has_time())
            return 0;
        before = l->out.len;
        put_result(l);
        server_loop_worked(l->out.len - before);
        hold_answer(l);
    }
    group_many_free(l->many);
    l->many = NULL;
    l->taken = 0;
    budget_give(&l->job.server->budget, atomic_exchange(&l->held, 0));
    return 1;
}

/* The job runs again once the loop has served its other connections. */
static int wait_a_turn(struct list_job *l)
{
    server_loop_park(&l->job.parking, l->job.to.connection);
    server_loop_unpark(&l->job.parking);
    return MHD_YES;
}

/* Puts keys that stand for the tags in their places; their bytes are in *bytes. 0: see e. */
static int keys_of_tags(struct keylist *ks, struct buf *bytes, struct error *e)
{
    struct extra x;
    char key[TAGS_KEY];
    size_t i;

    if (buf_reserve(bytes, (ks->n + 1) * TAGS_KEY)) {
        error_set(e, ERR_NOMEM, "no memory for %zu tags", ks->n);
        return 0;
    }
    for (i = 0; i < ks->n; i++) {
        struct key *k = &ks->list[i];

        extra_init(&x);
        if (extra_put_tag(&x, k->bytes, k->n, e))
            return 0;
        tags_key(key, extra_tag_hash(k->bytes, k->n));
        *k = (struct key){bytes->data + bytes->len, TAGS_KEY};
        buf_put(bytes, key, TAGS_KEY);
    }
    return 1;
}

static int start_tags(struct list_job *l)
{
    struct job *j = &l->job;
    struct change_opts o = {
        .op = BATCH_REMOVE, .tags = 1, .keys = l->keys.list, .n_keys = l->keys.n};
    struct error e;
    struct buf bytes;
    int ok;

    buf_init(&bytes, 0);
    ok = keys_of_tags(&l->keys, &bytes, &e) ? changing_start(&l->changing, j, &o)
                                            : answer_error(job_to(j), &e);
    buf_deinit(&bytes);
    return ok;
}

/* An HTTP cache has no tags, and its values hold headers of other requests. */
static int answer_no_list(struct job *j)
{
    struct error e;

    error_set(&e, ERR_INVAL, "an HTTP cache takes a list of keys to be removed, and no other");
    return answer_error(job_to(j), &e);
}

/* The keys or tags are to be removed: all in one change. */
static int remove_run(struct list_job *l)
{
    struct job *j = &l->job;
    struct change_opts o = {.op = BATCH_REMOVE, .keys = l->keys.list, .n_keys = l->keys.n};
    int ok;

    if (changing_has_ended(&l->changing))
        return changing_answer(&l->changing, j);
    if (!doors_admit_client(j->server, job_to(j), j->group, &ok))
        return ok;
    if (group_http(j->group) && l->keys.ask == KEYLIST_REMOVE_TAGS)
        return answer_no_list(j);
    if (!l->keys.n)
        return answer_done(job_to(j));
    return l->keys.ask == KEYLIST_REMOVE_TAGS ? start_tags(l) : changing_start(&l->changing, j, &o);
}

static int list_run(struct job *j)
{
    struct list_job *l = list_entry(j, struct list_job, job);
    struct error e;

    if (l->keys.ask != KEYLIST_GET)
        return remove_run(l);
    if (l->many && !take_window(l))
        return wait_a_turn(l);
    if (l->failed) {
        error_set(&e, l->failed, "no %s for a list of %zu keys",
                  l->failed == ERR_NOMEM ? "memory" : "room", l->keys.n);
        return answer_error(job_to(j), &e);
    }
    if (!l->answered) {
        if (keylist_decode(body_bytes(&j->body), j->body.len, BATCH_MAX_KEYS,
                           j->server->opts.max_key_bytes, &l->keys, &e))
            return answer_error(job_to(j), &e);
        if (l->keys.ask != KEYLIST_GET)
            return remove_run(l);
        if (group_http(j->group))
            return answer_no_list(j);
        keylist_put_begin(&l->out);
    }
    if (l->answered < l->keys.n)
        return ask_window(l);
    keylist_put_end(&l->out);
    return answer_buf(job_to(j), 200, "application/json", &l->out);
}

static void list_end(struct job *j)
{
    struct list_job *l = list_entry(j, struct list_job, job);

    group_many_free(l->many);
    budget_give(&j->server->budget, l->out_held + l->held);
    keylist_deinit(&l->keys);
    buf_deinit(&l->out);
    changing_deinit(&l->changing);
    job_deinit(j);
    mem_free(l);
}

static const struct job_kind list_kind = {list_run, list_end};

int serve_many(struct asked *a)
{
    struct list_job *l;
    struct group *g;
    int ok;

    g = job_group_of(a, &ok);
    if (!g)
        return ok;
    l = mem_zalloc(sizeof(*l));
    buf_init(&l->out, ANSWER_BYTES);
    changing_init(&l->changing);
    job_init(&l->job, &list_kind, a, g);
    return job_begin(&l->job, a->framing, BODY_BYTES);
}
