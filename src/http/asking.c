/* SPDX-License-Identifier: MIT */
#include "http/asking.h"

#include <microhttpd.h>
#include <string.h>

#include "base/list.h"
#include "base/mem.h"
#include "cache/group.h"
#include "http/access.h"
#include "http/keying.h"
#include "http/server_in.h"

enum { TAKES_HEADERS = 3 /* keying_function() */ };

void asking_init(struct asking *k, struct job *j, const struct asked *a)
{
    struct keyask_request *r = &k->ask.request;

    k->due = 1;
    k->parking = &j->parking;
    k->ask.group = j->group;
    r->path_len = a->target.key_len;
    r->query_len = a->query ? strlen(a->query) : 0;
    buf_init(&r->text, 0);
    buf_put(&r->text, a->target.key, r->path_len);
    if (a->query)
        buf_put(&r->text, a->query, r->query_len);
}

void asking_deinit(struct asking *k)
{
    if (k->ask.group)
        buf_deinit(&k->ask.request.text);
    mem_free(k->ask.key);
}

static int is_space(char c)
{
    return c == ' ' || c == '\t';
}

static enum MHD_Result put_header(void *arg, enum MHD_ValueKind kind, const char *name, size_t n,
                                  const char *value, size_t value_len)
{
    struct buf *out = arg;
    size_t at = out->len;

    (void)kind;
    if (buf_put(out, name, n) || buf_put(out, "", 1))
        return MHD_NO;
    for (; at < out->len; at++)
        if (out->data[at] >= 'A' && out->data[at] <= 'Z')
            out->data[at] |= 0x20;
    for (; value_len && is_space(value[value_len - 1]); value_len--)
        ; /* libmicrohttpd leaves it there */
    if (value_len)
        buf_put(out, value, value_len);
    return buf_put(out, "", 1) ? MHD_NO : MHD_YES;
}

static void done(struct keyask *a)
{
    struct asking *k = list_entry(a, struct asking, ask);

    k->ended = 1;
    server_loop_unpark(k->parking);
}

/* Not bounded as waits for loads are: a hit needs a key even if all that may wait for loads do. */
int asking_start(struct asking *k, struct job *j)
{
    const struct server_opts *o = &j->server->opts;
    struct MHD_Connection *c = j->to.connection;
    struct buf *text = &k->ask.request.text;
    struct error e;

    if (keying_function(group_keying(j->group)) >= TAKES_HEADERS)
        MHD_get_connection_values_n(c, MHD_HEADER_KIND, put_header, text);
    if (text->failed) {
        error_set(&e, ERR_NOMEM, "no memory for a request");
        return answer_error(job_to(j), &e);
    }
    k->ask.done = done;
    server_loop_park(k->parking, c);
    o->ask_key(o->ctx, &k->ask);
    return MHD_YES;
}

static int answer_failed(struct asking *k, struct job *j)
{
    const struct keyask *a = &k->ask;

    return a->status ? answer_status(job_to(j), a->status, &a->err)
                     : answer_error(job_to(j), &a->err);
}

char *asking_take(struct asking *k, struct job *j, size_t *len, int *ok)
{
    size_t max = j->server->opts.max_key_bytes;
    struct keyask *a = &k->ask;
    char *key = a->key;
    struct error e;

    k->due = 0;
    if (!key) {
        *ok = answer_failed(k, j);
        return NULL;
    }
    access_note_key(key, a->key_len);
    if (a->key_len > max) {
        error_set(&e, ERR_INVAL,
                  "the key that the key function made has %zu bytes, max_key_bytes is %zu",
                  a->key_len, max);
        *ok = answer_error(job_to(j), &e);
        return NULL;
    }
    a->key = NULL;
    *len = a->key_len;
    return key;
}
