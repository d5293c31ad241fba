/* SPDX-License-Identifier: MIT */
/* serve_get.c - the get of one key, by a peer or a client.
 *
 * A hit is answered from the item's own bytes, without an allocation of ours. A miss parks its
 * connection as a waiter of the key's flight. The connection is suspended before the group gets the
 * waiter, since wake() may run on another thread before group_load() returns. */
#include <microhttpd.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/traceparent.h"
#include "cache/group.h"
#include "cache/item.h"
#include "http/access.h"
#include "http/answer_value.h"
#include "http/asking.h"
#include "http/early.h"
#include "http/keying.h"
#include "http/server_in.h"
#include "wire/getrequest.h"

enum {
    BODY_OVERHEAD = 64 * 1024 /* of a GetRequest, beside group and key: texts for the getter */
};

struct get {
    struct job job;
    struct waiter waiter;
    struct result result; /* written by wake() before the connection is resumed */
    char *key;            /* owned; only until the body has arrived */
    size_t key_len;
    struct asking asking;
};

static void get_wake(struct waiter *w, const struct result *r)
{
    struct get *q = list_entry(w, struct get, waiter);

    result_copy(&q->result, r);
    server_loop_unpark(&q->job.parking);
}

/* Loads the key; parks the connection until the load has ended. */
static int park(struct get *q, const struct key_ref *k)
{
    struct MHD_Connection *c = q->job.to.connection;
    int peer = q->job.to.peer, ok;
    struct traceparent trace;
    struct buf info;

    if (!job_may_park(&q->job, &ok))
        return ok;
    q->waiter.wake = get_wake;
    buf_init(&info, 0);
    job_put_info(&info, c, q->job.group, peer);
    q->waiter.info = info.data;
    q->waiter.info_len = info.failed ? 0 : info.len;
    q->waiter.trace = job_trace(c, &trace);
    server_loop_park(&q->job.parking, c);
    if (group_load(q->job.group, k, peer, &q->waiter, &q->result))
        server_loop_unpark(&q->job.parking);
    buf_deinit(&info);
    return MHD_YES;
}

/* Takes the key from q: it is not needed any more when this returns. */
static int look_or_park(struct get *q)
{
    char *key = q->key;
    const struct key_ref k = group_key(key, q->key_len);
    struct result r = {.item = NULL};
    struct job *j = &q->job;
    int ok;

    q->key = NULL;
    r.item = group_lookup(j->group, &k, j->to.peer, &r.source);
    ok = r.item ? answer_value(job_to(j), j->group, &r) : park(q, &k);
    mem_free(key);
    return ok;
}

/* The body has arrived. It holds nothing that we need, but it must be valid. */
static int get_with_body(struct get *q)
{
    struct job *j = &q->job;
    struct error e;

    return getrequest_check(body_bytes(&j->body), j->body.len, &e) ? answer_error(job_to(j), &e)
                                                                   : look_or_park(q);
}

/* The key function has answered. */
static int get_with_answer(struct get *q)
{
    int ok;

    q->key = asking_take(&q->asking, &q->job, &q->key_len, &ok);
    return q->key ? look_or_park(q) : ok;
}

/* The body has arrived, or the connection was resumed: there is a key, or the load has ended. */
static int get_run(struct job *j)
{
    struct get *q = list_entry(j, struct get, job);

    if (q->asking.due)
        return get_with_answer(q);
    return q->key ? get_with_body(q) : answer_value(job_to(j), j->group, &q->result);
}

static void get_end(struct job *j)
{
    struct get *q = list_entry(j, struct get, job);

    item_unref(q->result.item); /* the connection ended between wake() and the answer */
    mem_free(q->key);
    asking_deinit(&q->asking);
    job_deinit(j);
    mem_free(q);
}

static const struct job_kind get_kind = {get_run, get_end};

static struct get *get_new(struct asked *a, struct group *g)
{
    struct get *q = mem_zalloc(sizeof(*q));

    job_init(&q->job, &get_kind, a, g);
    return q;
}

/* Takes the reference to g. */
static int await_body(struct asked *a, struct group *g)
{
    const struct dialect_target *t = &a->target;
    struct get *q = get_new(a, g);
    struct error e;

    q->key_len = t->key_len;
    q->key = mem_alloc(t->key_len);
    if (!q->key) {
        error_set(&e, ERR_NOMEM, "no memory for a key");
        return answer_error(&a->to, &e);
    }
    memcpy(q->key, t->key, t->key_len);
    return job_begin(&q->job, a->framing, t->group_len + t->key_len + BODY_OVERHEAD);
}

/* Takes the reference to g. */
static int get_key(struct asked *a, struct group *g, const struct key_ref *k)
{
    struct result r = {.item = NULL};
    int ok;

    r.item = group_lookup(g, k, a->to.peer, &r.source);
    if (!r.item)
        return park(get_new(a, g), k);
    server_loop_hit();
    ok = answer_value(&a->to, g, &r);
    group_unref(g);
    return ok;
}

/* A function makes the key of the request. Takes the reference to g. */
static int get_asked(struct asked *a, struct group *g)
{
    struct get *q = get_new(a, g);

    asking_init(&q->asking, &q->job, a);
    return asking_start(&q->asking, &q->job);
}

/* A header that may be on several lines. */
struct lines {
    const char *name;
    struct buf *out;
};

static enum MHD_Result add_line(void *arg, enum MHD_ValueKind kind, const char *name,
                                const char *value)
{
    const struct lines *l = arg;

    (void)kind;
    if (strcasecmp(name, l->name) != 0 || !value)
        return MHD_YES;
    if (l->out->len)
        buf_puts(l->out, ",");
    buf_puts(l->out, value);
    return MHD_YES;
}

static void put_header(void *ctx, const char *name, struct buf *value)
{
    struct lines l = {name, value};

    MHD_get_connection_values(ctx, MHD_HEADER_KIND, add_line, &l);
}

/* The request's headers are a part of the key. Takes the reference to g. */
static int get_varied(struct asked *a, struct group *g)
{
    size_t max = a->server->opts.max_key_bytes;
    struct error e = {.code = ERR_OK};
    struct key_ref k;
    struct buf key;
    int ok;

    buf_init(&key, 0);
    buf_put(&key, a->target.key, a->target.key_len);
    keying_put_vary(&key, group_keying(g), put_header, a->to.connection);
    if (key.failed)
        error_set(&e, ERR_NOMEM, "no memory for a key");
    else if (key.len > max)
        error_set(&e, ERR_INVAL,
                  "the key with the headers that vary has %zu bytes, max_key_bytes is %zu", key.len,
                  max);
    if (e.code) {
        group_unref(g);
        ok = answer_error(&a->to, &e);
    } else {
        access_note_key(key.data, key.len);
        k = group_key(key.data, key.len);
        ok = get_key(a, g, &k);
    }
    buf_deinit(&key);
    return ok;
}

int serve_get(struct asked *a)
{
    struct group *g;
    struct key_ref k;
    int ok;

    g = job_group_of(a, &ok);
    if (!g)
        return ok;
    if (group_http(g) && !a->to.peer)
        return serve_web(a, g);
    if (group_http(g) && a->to.ours && serve_web_peer(a, g, &ok))
        return ok;
    if (a->framing->body)
        return await_body(a, g);
    if (!a->to.peer && *group_keying(g) && keying_function(group_keying(g)))
        return get_asked(a, g);
    if (!a->to.peer && *group_keying(g) && keying_varies(group_keying(g)))
        return get_varied(a, g);
    k = early_key(a->early, a->target.key, a->target.key_len);
    return get_key(a, g, &k);
}
