/* SPDX-License-Identifier: MIT */
/* serve_peer_change.c - a Go node's set or removal of a key, in the cluster's dialect. It is done
 * at this node alone, like at Go's servers. */
#include <microhttpd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cache/group.h"
#include "change/change.h"
#include "http/doors.h"
#include "http/server_in.h"
#include "wire/expire.h"
#include "wire/removekeys.h"
#include "wire/setrequest.h"

enum {
    KEYS_BYTES = 64 * 1024 * 1024, /* of a list of keys */
    SET_OVERHEAD = 64              /* of a SetRequest, beside group, key and value */
};

static enum err check_key(const struct job *j, size_t n, struct error *e)
{
    size_t max = j->server->opts.max_key_bytes;

    return n <= max
               ? ERR_OK
               : error_set(e, ERR_INVAL, "the key has %zu bytes, max_key_bytes is %zu", n, max);
}

/* If the sender is one of our own nodes, it tells all nodes itself. */
static void pass_on(struct server *s, const struct answer_to *to, struct group *g,
                    const struct key *key)
{
    if (!to->ours)
        change_heard(s->opts.changes, g, key);
}

/* --- a value --- */

/* If the sender gives no expiry, the group's own ttl counts. */
static enum err set_value(struct job *j, const struct setrequest *r, struct error *e)
{
    const struct key key = {r->key, r->key_len};
    const struct key_ref k = group_key(r->key, r->key_len);
    uint64_t wall_ns = clock_wall_ns();
    double ttl_ms = 0;

    if (check_key(j, r->key_len, e))
        return e->code;
    if (r->expire_ns && !expire_is_past(r->expire_ns, wall_ns))
        ttl_ms = (double)expire_left_ms(r->expire_ns, wall_ns);
    if (group_set(j->group, &k, r->value, r->value_len, r->expire_ns ? &ttl_ms : NULL, e))
        return e->code;
    pass_on(j->server, &j->to, j->group, &key);
    return ERR_OK;
}

/* The group is taken from the path, the key from the body. */
static enum err set(struct job *j, struct error *e)
{
    struct setrequest r;
    enum err err;

    if (setrequest_decode(body_bytes(&j->body), j->body.len, &r, e))
        return e->code;
    err = set_value(j, &r, e);
    setrequest_deinit(&r);
    return err;
}

static int set_run(struct job *j)
{
    struct error e;

    if (job_sender_is_gone(j))
        return MHD_NO;
    return set(j, &e) ? answer_error(job_to(j), &e) : answer_done(job_to(j));
}

static void remove_key(struct server *s, const struct answer_to *to, struct group *g,
                       const struct key *key)
{
    const struct key_ref k = group_key(key->bytes, key->n);

    group_remove(g, &k);
    pass_on(s, to, g, key);
}

/* --- many keys --- */

static int remove_keys_run(struct job *j)
{
    struct key key;
    struct buf keys;
    struct error e;
    size_t at = 0;
    int ok;

    buf_init(&keys, 0);
    if (removekeys_decode(body_bytes(&j->body), j->body.len, &keys, &e)) {
        ok = answer_error(job_to(j), &e);
    } else {
        while (removekeys_next(&keys, &at, &key))
            remove_key(j->server, &j->to, j->group, &key);
        ok = answer_done(job_to(j));
    }
    buf_deinit(&keys);
    return ok;
}

/* --- the job --- */

static void tell_end(struct job *j)
{
    job_deinit(j);
    mem_free(j);
}

static const struct job_kind set_kind = {set_run, tell_end};
static const struct job_kind remove_keys_kind = {remove_keys_run, tell_end};

static int begin(struct asked *a, const struct job_kind *kind, struct group *g, size_t max)
{
    struct job *j = mem_zalloc(sizeof(*j));

    job_init(j, kind, a, g);
    return job_begin(j, a->framing, max);
}

/* The group of a change, if the sender may change it. */
static struct group *changeable_group(struct asked *a, int *ok)
{
    struct group *g = job_group_of(a, ok);

    if (!g || doors_admit_node(a->server, &a->to, g, ok))
        return g;
    group_unref(g);
    return NULL;
}

int serve_peer_change_set(struct asked *a)
{
    struct group *g;
    int ok;

    g = changeable_group(a, &ok);
    if (!g)
        return ok;
    return begin(a, &set_kind, g,
                 (size_t)group_opts(g).max_value_bytes + a->server->opts.max_key_bytes +
                     a->target.group_len + SET_OVERHEAD);
}

int serve_peer_change_remove_keys(struct asked *a)
{
    struct group *g;
    int ok;

    g = changeable_group(a, &ok);
    return g ? begin(a, &remove_keys_kind, g, KEYS_BYTES) : ok;
}

int serve_peer_change_remove(struct asked *a)
{
    const struct key key = {a->target.key, a->target.key_len};
    struct group *g;
    int ok;

    g = changeable_group(a, &ok);
    if (!g)
        return ok;
    remove_key(a->server, &a->to, g, &key);
    group_unref(g);
    return answer_done(&a->to);
}
