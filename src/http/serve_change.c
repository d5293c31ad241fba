/* SPDX-License-Identifier: MIT */
/* serve_change.c - a client's set, remove and flush: on all nodes (changing.h), in groups with
 * `writable`. */
#include <microhttpd.h>
#include <string.h>

#include "base/list.h"
#include "base/mem.h"
#include "cache/group.h"
#include "change/change.h"
#include "http/asking.h"
#include "http/changing.h"
#include "http/conditional.h"
#include "http/doors.h"
#include "http/keying.h"
#include "http/server_in.h"

struct change_job {
    struct job job;
    enum batch_op op;
    char *key; /* owned; NULL for a flush */
    size_t key_len;
    double ttl_ms;
    int has_ttl;
    struct asking asking;
    struct changing changing;
};

static int start(struct change_job *c)
{
    struct job *j = &c->job;
    const struct key key = {c->key, c->key_len};
    struct change_opts o = {
        .op = c->op,
        .keys = &key,
        .n_keys = c->op == BATCH_FLUSH ? 0 : 1,
        .value = body_bytes(&j->body),
        .value_len = j->body.len,
        .owned = &j->body.bytes,
        .ttl_ms = c->has_ttl ? &c->ttl_ms : NULL,
    };

    return changing_start(&c->changing, j, &o);
}

/* The key function is asked once the body has arrived: until then the connection reads. */
static int ask(struct change_job *c)
{
    struct job *j = &c->job;
    int ok;

    if (!c->asking.ended)
        return asking_start(&c->asking, j);
    c->key = asking_take(&c->asking, j, &c->key_len, &ok);
    return c->key ? start(c) : ok;
}

static int change_run(struct job *j)
{
    struct change_job *c = list_entry(j, struct change_job, job);

    if (c->asking.due)
        return ask(c);
    return changing_has_ended(&c->changing) ? changing_answer(&c->changing, j) : start(c);
}

static void change_end(struct job *j)
{
    struct change_job *c = list_entry(j, struct change_job, job);

    mem_free(c->key);
    asking_deinit(&c->asking);
    changing_deinit(&c->changing);
    job_deinit(j);
    mem_free(c);
}

static const struct job_kind change_kind = {change_run, change_end};

/* The group of a change, if the client may change it. */
static struct group *writable_group(struct asked *a, int *ok)
{
    struct group *g = job_group_of(a, ok);

    if (!g || doors_admit_client(a->server, &a->to, g, ok))
        return g;
    group_unref(g);
    return NULL;
}

/* The ttl of a set: Cache-Control: max-age. */
static enum err read_ttl(struct change_job *c, struct error *e)
{
    const char *text =
        MHD_lookup_connection_value(c->job.to.connection, MHD_HEADER_KIND, "Cache-Control");
    uint64_t seconds;
    int there = conditional_max_age(text, &seconds);

    if (there < 0)
        return error_set(e, ERR_INVAL,
                         "Cache-Control has a max-age that is not a number of seconds");
    c->has_ttl = there;
    c->ttl_ms = there ? (double)seconds * 1000 : 0;
    return ERR_OK;
}

static int begin(struct asked *a, enum batch_op op)
{
    const struct dialect_target *t = &a->target;
    struct change_job *c;
    struct group *g;
    struct error e;
    int ok;

    g = writable_group(a, &ok);
    if (!g)
        return ok;
    c = mem_zalloc(sizeof(*c));
    c->op = op;
    changing_init(&c->changing);
    job_init(&c->job, &change_kind, a, g);
    if (op != BATCH_FLUSH && keying_function(group_keying(g))) {
        asking_init(&c->asking, &c->job, a);
    } else if (op != BATCH_FLUSH) {
        c->key = mem_alloc(t->key_len);
        if (!c->key) {
            error_set(&e, ERR_NOMEM, "no memory for a key");
            return answer_error(&a->to, &e);
        }
        memcpy(c->key, t->key, t->key_len);
        c->key_len = t->key_len;
    }
    if (op == BATCH_SET && read_ttl(c, &e))
        return answer_error(&a->to, &e);
    return job_begin(&c->job, a->framing, (size_t)group_opts(g).max_value_bytes);
}

int serve_change_set(struct asked *a)
{
    return begin(a, BATCH_SET);
}

int serve_change_remove(struct asked *a)
{
    return begin(a, BATCH_REMOVE);
}

int serve_change_flush(struct asked *a)
{
    return begin(a, BATCH_FLUSH);
}
