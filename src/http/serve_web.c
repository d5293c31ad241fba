/* SPDX-License-Identifier: MIT */
/* serve_web.c - a request to a group that is an HTTP cache (RFC 9111): by a client, or by a node of
 * ours for its client.
 *
 * A kept message that may answer is sent at once. Otherwise the connection waits for a load, whose
 * getter has the request's headers. The message of a load that may not be kept is for the request
 * alone that began the load; the requests that have joined it go to the origin themselves. They
 * `pass`: by a local load of a key that no other request has. So do the methods that change
 * something. docs/design/http-cache.md has the whole. */
#include <microhttpd.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/address.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/traceparent.h"
#include "cache/group.h"
#include "cache/item.h"
#include "http/answer_value.h"
#include "http/porch.h"
#include "http/server_in.h"
#include "http/web.h"
#include "http/web_answer.h"

#define METHODS "GET, HEAD, OPTIONS, POST, PUT, PATCH, DELETE"
#define PASS "pass:" /* the key of a pass, before the id and the URL */

enum {
    KEY_ROOM = 64,                        /* of max_key_bytes, for what is added to a URL */
    LARGEST_LINE = PORCH_LINE_BYTES - 128 /* a request on its way to another node */
};

struct web_job {
    struct job job;
    struct waiter waiter;
    struct result result; /* written by wake() before the connection is resumed */
    struct web web;
    struct buf key; /* the URL's, or that of its variant */
    size_t url_len; /* the URL's part of it */
    int varied;     /* 1: a variant was looked up */
    int passing;    /* 1: the load is this request's own */
    enum web_came came;
};

/* --- a kept message --- */

/* A look at what is kept under a key. */
struct looked {
    struct result r; /* r.item is a reference, or NULL */
    struct httpmsg m;
    int64_t left_ms;
    int selects; /* 1: the message is the request's variant */
};

static void look(struct group *g, const struct web *w, const struct buf *key, int peer,
                 struct looked *out)
{
    const struct key_ref k = group_key(key->data, key->len);
    struct item *it;

    memset(out, 0, sizeof(*out));
    it = group_lookup(g, &k, peer, &out->r.source);
    if (!it)
        return;
    if (!httpmsg_read(&out->m, item_value(it), it->value_len)) {
        item_unref(it);
        return;
    }
    out->r.item = it;
    out->left_ms = httpmsg_left_ms(&out->m, item_expires_ms(it), clock_ms());
    out->selects = web_selects(w, &out->m);
}

static void drop(struct looked *l)
{
    item_unref(l->r.item);
    l->r.item = NULL;
}

/* The same, and if another variant is kept under the URL, under the variant's key. */
static void look_for_variant(struct group *g, const struct web *w, struct buf *key,
                             struct looked *l)
{
    struct looked first = *l;

    web_put_variant(w, &first.m, key);
    look(g, w, key, 0, l);
    drop(&first);
    if (l->r.item && !l->selects)
        drop(l);
}

static enum web_came why_of(const struct web *w, const struct looked *l, int varied)
{
    if (!l->r.item)
        return varied ? WEB_VARY_MISS : WEB_MISS;
    if (l->left_ms <= 0 || l->m.flags & HTTPMSG_CHECK)
        return WEB_STALE;
    return w->no_cache || w->max_age_s >= 0 || w->min_fresh_s >= 0 ? WEB_REQUEST : WEB_STALE;
}

/* --- what a getter is told --- */

/* flight.info: the request, for its owner's getter, too; behind it the body, for a pass. */
static void put_info(struct buf *info, const struct web *w, const struct body *body)
{
    buf_put(info, HTTPMSG_REQUEST, sizeof(HTTPMSG_REQUEST));
    web_put(w, info);
    buf_put(info, "", 1);
    if (!body || !body->len)
        return;
    buf_put(info, FLIGHT_BODY, sizeof(FLIGHT_BODY));
    buf_put(info, body_bytes(body), body->len);
}

static void refresh_behind(struct group *g, const struct web *w, const struct key_ref *k, int peer)
{
    struct waiter none = {.wake = NULL};
    struct buf info;

    buf_init(&info, 0);
    put_info(&info, w, NULL);
    none.info = info.data;
    none.info_len = info.failed ? 0 : info.len;
    group_load_behind(g, k, peer, &none);
    buf_deinit(&info);
}

/* --- the job --- */

static void web_wake(struct waiter *waiter, const struct result *r)
{
    struct web_job *j = list_entry(waiter, struct web_job, waiter);

    result_copy(&j->result, r);
    server_loop_unpark(&j->job.parking);
}

/* Loads the key; parks the connection until the load has ended. */
static int load(struct web_job *j, int local)
{
    const struct key_ref k = group_key(j->key.data, j->key.len);
    struct job *job = &j->job;
    struct traceparent trace;
    struct buf info;
    struct error e;
    int ok;

    if (!job_may_park(job, &ok))
        return ok;
    buf_init(&info, 0);
    put_info(&info, &j->web, j->passing ? &job->body : NULL);
    if (info.failed || j->key.failed || j->web.text.failed) {
        buf_deinit(&info);
        error_set(&e, ERR_NOMEM, "no memory for a request");
        return answer_error(job_to(job), &e);
    }
    item_unref(j->result.item);
    memset(&j->result, 0, sizeof(j->result));
    memset(&j->waiter, 0, sizeof(j->waiter));
    j->waiter.wake = web_wake;
    j->waiter.info = info.data;
    j->waiter.info_len = info.len;
    j->waiter.trace = job_trace(job->to.connection, &trace);
    server_loop_park(&job->parking, job->to.connection);
    if (group_load_anew(job->group, &k, local, &j->waiter, &j->result))
        server_loop_unpark(&job->parking);
    buf_deinit(&info);
    return MHD_YES;
}

/* The request goes to the origin for itself alone. */
static int pass(struct web_job *j)
{
    char *url;
    size_t n = j->url_len;

    j->passing = 1;
    j->came = WEB_BYPASS;
    url = mem_alloc(n + 1);
    if (!url) {
        j->key.failed = ERR_NOMEM;
        return load(j, 1);
    }
    memcpy(url, j->key.data, n);
    url[n] = '\0';
    buf_reset(&j->key);
    buf_putf(&j->key, PASS "%016llx ", (unsigned long long)j->web.id);
    buf_put(&j->key, url, n);
    mem_free(url);
    return load(j, 1);
}

static int load_or_pass(struct web_job *j)
{
    return web_line_size(&j->web) > LARGEST_LINE ? pass(j) : load(j, 0);
}

/* The load's message is of another variant of the URL: its own is looked up, or loaded. */
static int turn_to_variant(struct web_job *j, const struct httpmsg *m)
{
    struct job *job = &j->job;
    struct looked l = {.r = j->result, .m = *m};

    if (j->varied)
        return pass(j);
    j->varied = 1;
    j->result.item = NULL; /* look_for_variant() drops it */
    j->key.len = j->url_len;
    look_for_variant(job->group, &j->web, &j->key, &l);
    j->came = WEB_VARY_MISS;
    if (l.r.item && web_judge(&j->web, &l.m, l.left_ms) <= WEB_USE_REFRESH)
        return web_answer(job_to(job), job->group, &j->web, &l.r, WEB_HIT);
    drop(&l);
    return load_or_pass(j);
}

/* The node or the origin has no answer for now, and may have one later. */
static int is_outage(enum err code)
{
    return code == ERR_GETTER || code == ERR_PEER || code == ERR_TIMEOUT || code == ERR_BUSY ||
           code == ERR_NOMEM;
}

/* A load without an answer, such as one that was refused or took too long: the getter had no say. A
 * message that is held may stand in. 0: none may. */
static int stand_in(struct web_job *j, int *ok)
{
    const struct key_ref k = group_key(j->key.data, j->key.len);
    struct job *job = &j->job;
    struct result r = {.item = NULL};
    struct httpmsg m;
    int64_t left_ms;

    if (j->passing || !is_outage(j->result.err.code))
        return 0;
    r.item = group_peek(job->group, &k, &r.source);
    if (r.item && httpmsg_read(&m, item_value(r.item), r.item->value_len)) {
        left_ms = httpmsg_left_ms(&m, item_expires_ms(r.item), clock_ms());
        if (web_selects(&j->web, &m) && web_may_stand_in(&j->web, &m, left_ms)) {
            r.source = SOURCE_STALE;
            *ok = web_answer(job_to(job), job->group, &j->web, &r, j->came);
            return 1;
        }
    }
    item_unref(r.item);
    return 0;
}

/* The load has ended. */
static int answer_loaded(struct web_job *j)
{
    int ok;

    struct item *it = j->result.item;
    struct job *job = &j->job;
    struct httpmsg m;

    if (!it && j->result.err.code == ERR_TOOBIG && j->web.ranged && !j->passing)
        return pass(j); /* the part that is wanted may fit */
    if (!it && stand_in(j, &ok))
        return ok;
    if (!it)
        return answer_get_error(job_to(job), &j->result);
    if (!j->passing && httpmsg_read(&m, item_value(it), it->value_len) && m.id != j->web.id) {
        if (m.flags & HTTPMSG_ONCE)
            return pass(j);
        if (!web_selects(&j->web, &m))
            return turn_to_variant(j, &m);
    }
    return web_answer(job_to(job), job->group, &j->web, &j->result, j->came);
}

/* The body has arrived, or the connection was resumed. */
static int web_run(struct job *job)
{
    struct web_job *j = list_entry(job, struct web_job, job);

    if (!j->result.item && !j->result.err.code)
        return pass(j);
    return answer_loaded(j);
}

static void web_end_job(struct job *job)
{
    struct web_job *j = list_entry(job, struct web_job, job);

    item_unref(j->result.item); /* the connection ended between wake() and the answer */
    web_deinit(&j->web);
    buf_deinit(&j->key);
    job_deinit(job);
    mem_free(j);
}

static const struct job_kind web_kind = {web_run, web_end_job};

/* If nobody has said it before: what the client asked, for the origin. */
static void add_unless(struct web *w, const char *name, const char *value)
{
    size_t n;

    if (value && !web_header(w, name, &n))
        web_take(w, name, strlen(name), value, strlen(value));
}

/* Who asks, and how, in the words that most origins know. They are for the origin alone, so a hit
 * does not need them. */
static void add_forwarded(struct web *w, const struct asked *a)
{
    struct MHD_Connection *c = a->to.connection;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(c, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    char text[ADDRESS_TEXT];
    struct address from;
    const char *ip;

    if (info && address_of(info->client_addr, &from)) {
        ip = address_put(&from, text);
        web_take(w, "x-forwarded-for", strlen("x-forwarded-for"), ip, strlen(ip));
    }
    if (!w->get) /* an answer that is kept must not follow a name that is in no key */
        add_unless(w, "x-forwarded-host", MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Host"));
    add_unless(w, "x-forwarded-proto", a->server->opts.tls ? "https" : "http");
}

/* Takes the reference to g, and what *w and *key own. */
static struct web_job *job_new(struct asked *a, struct group *g, struct web *w, struct buf *key,
                               size_t url_len)
{
    struct web_job *j = mem_zalloc(sizeof(*j));

    job_init(&j->job, &web_kind, a, g);
    add_forwarded(w, a);
    j->web = *w;
    j->key = *key;
    j->url_len = url_len;
    return j;
}

/* --- a request --- */

static enum MHD_Result note_connection(void *arg, enum MHD_ValueKind kind, const char *name,
                                       const char *value)
{
    (void)kind;
    if (value && name[0] && (name[0] | 0x20) == 'c' && strlen(name) == 10 &&
        (name[9] | 0x20) == 'n' && (name[3] | 0x20) == 'n')
        web_connection(arg, value, strlen(value));
    return MHD_YES;
}

static enum MHD_Result take_header(void *arg, enum MHD_ValueKind kind, const char *name,
                                   size_t name_len, const char *value, size_t value_len)
{
    (void)kind;
    web_take(arg, name, name_len, value ? value : "", value ? value_len : 0);
    return MHD_YES;
}

/* A number that no other request has, on this node or another: the hash has a secret key. */
static uint64_t new_id(void)
{
    static _Atomic uint64_t requests;
    uint64_t n = atomic_fetch_add_explicit(&requests, 1, memory_order_relaxed);

    return hash_table(&n, sizeof(n));
}

static void read_request(struct web *w, struct MHD_Connection *c, const char *method,
                         unsigned policy)
{
    web_init(w, method, new_id());
    if (MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Connection"))
        MHD_get_connection_values(c, MHD_HEADER_KIND, note_connection, w);
    MHD_get_connection_values_n(c, MHD_HEADER_KIND, take_header, w);
    web_end(w, (policy & HTTP_OBEY) != 0);
    web_key(w);
}

static int answer_nothing(const struct asked *a)
{
    struct error e;

    error_set(&e, ERR_TIMEOUT,
              "only-if-cached: no message is kept that may answer without the origin");
    return answer_error(&a->to, &e);
}

/* A GET or HEAD. Takes the reference to g, and what *w and *key own. */
static int serve_read(struct asked *a, struct group *g, struct web *w, struct buf *key)
{
    size_t url_len = key->len;
    struct web_job *j;
    struct looked l;
    enum web_use use;
    int ok, varied = 0;

    look(g, w, key, 0, &l);
    if (l.r.item && !l.selects) {
        varied = 1;
        look_for_variant(g, w, key, &l);
    }
    use = web_judge(w, l.r.item ? &l.m : NULL, l.left_ms);
    if (use <= WEB_USE_REFRESH && l.r.item) {
        const struct key_ref k = group_key(key->data, key->len);

        server_loop_hit();
        if (use == WEB_USE_REFRESH)
            refresh_behind(g, w, &k, 0);
        ok = web_answer(&a->to, g, w, &l.r, WEB_HIT);
    } else if (use == WEB_NOTHING) {
        ok = answer_nothing(a);
    } else {
        j = job_new(a, g, w, key, url_len);
        j->varied = varied;
        j->came = why_of(w, &l, varied);
        drop(&l);
        return load_or_pass(j);
    }
    drop(&l);
    web_deinit(w);
    buf_deinit(key);
    group_unref(g);
    return ok;
}

static int answer_long(const struct asked *a, size_t n, size_t max)
{
    struct error e;

    error_set(&e, ERR_INVAL, "the path and query have %zu bytes, the limit here is %zu", n, max);
    return answer_status(&a->to, 414, &e);
}

/* What the origin could not be asked for. It would count as the origin's failure, though it is the
 * client's. A fragment is not sent (RFC 9112, 3.2): two keys would be one URL. */
static int is_url(const char *s, size_t n)
{
    size_t i;

    for (i = 0; i < n; i++)
        if ((unsigned char)s[i] <= ' ' || s[i] == 0x7f || s[i] == '#')
            return 0;
    return 1;
}

static int answer_unclean(const struct asked *a, const char *what)
{
    struct error e;

    error_set(&e, ERR_INVAL, "%s", what);
    return answer_error(&a->to, &e);
}

int serve_web(struct asked *a, struct group *g)
{
    size_t max = a->server->opts.max_key_bytes, n = a->url_len;
    struct web_job *j;
    struct buf key;
    struct web w;

    if (strcmp(a->method, "TRACE") == 0 || strcmp(a->method, "CONNECT") == 0) {
        group_unref(g);
        return answer_method(&a->to, a->method, METHODS);
    }
    max = max > KEY_ROOM ? max - KEY_ROOM : 0;
    if (n > max) {
        group_unref(g);
        return answer_long(a, n, max);
    }
    if (!is_url(a->url, n)) {
        group_unref(g);
        return answer_unclean(a, "the path and query have a space, a # or a control byte, and may "
                                 "have them percent-encoded");
    }
    buf_init(&key, 0);
    buf_put(&key, a->url, n);
    read_request(&w, a->to.connection, a->method, group_http(g));
    w.takes_interim = a->framing->is_1_1 != 0;
    if (w.unclean) {
        web_deinit(&w);
        buf_deinit(&key);
        group_unref(g);
        return answer_unclean(a, "a header has a control byte in its value");
    }
    a->to.head = w.head;
    if (w.get && !w.precondition && !w.no_store && !a->framing->body)
        return serve_read(a, g, &w, &key);
    j = job_new(a, g, &w, &key, n);
    return job_begin(&j->job, a->framing, (size_t)group_opts(g).max_value_bytes);
}

/* --- a request of another node --- */

struct peer_job {
    struct job job;
    struct waiter waiter;
    struct result result;
};

static void peer_wake(struct waiter *waiter, const struct result *r)
{
    struct peer_job *j = list_entry(waiter, struct peer_job, waiter);

    result_copy(&j->result, r);
    server_loop_unpark(&j->job.parking);
}

static int peer_run(struct job *job)
{
    struct peer_job *j = list_entry(job, struct peer_job, job);

    return answer_value(job_to(job), job->group, &j->result);
}

static void peer_end(struct job *job)
{
    struct peer_job *j = list_entry(job, struct peer_job, job);

    item_unref(j->result.item);
    job_deinit(job);
    mem_free(j);
}

static const struct job_kind peer_kind = {peer_run, peer_end};

static int load_for_peer(struct asked *a, struct group *g, const struct web *w,
                         const struct key_ref *k)
{
    struct peer_job *j = mem_zalloc(sizeof(*j));
    struct traceparent trace;
    struct buf info;

    job_init(&j->job, &peer_kind, a, g);
    buf_init(&info, 0);
    job_put_info(&info, a->to.connection, g, 1);
    put_info(&info, w, NULL);
    j->waiter.wake = peer_wake;
    j->waiter.info = info.data;
    j->waiter.info_len = info.failed ? 0 : info.len;
    j->waiter.trace = job_trace(a->to.connection, &trace);
    server_loop_park(&j->job.parking, a->to.connection);
    if (group_load_anew(g, k, 1, &j->waiter, &j->result))
        server_loop_unpark(&j->job.parking);
    buf_deinit(&info);
    return MHD_YES;
}

/* A message of another variant is an answer, too: it says what the variants differ in. */
int serve_web_peer(struct asked *a, struct group *g, int *ok)
{
    const char *text =
        MHD_lookup_connection_value(a->to.connection, MHD_HEADER_KIND, HTTPMSG_REQUEST);
    const struct dialect_target *t = &a->target;
    const struct key_ref k = group_key(t->key, t->key_len);
    const struct buf key = {.data = (char *)(size_t)t->key, .len = t->key_len};
    enum web_use use;
    struct looked l;
    struct web w;

    if (!text || !web_read(&w, text, (group_http(g) & HTTP_OBEY) != 0))
        return 0;
    look(g, &w, &key, 1, &l);
    use = web_judge(&w, l.r.item ? &l.m : NULL, l.left_ms);
    if (l.r.item && (!l.selects || use <= WEB_USE_REFRESH)) {
        if (l.selects && use == WEB_USE_REFRESH)
            refresh_behind(g, &w, &k, 1);
        *ok = answer_value(&a->to, g, &l.r);
        group_unref(g);
    } else {
        drop(&l);
        *ok = load_for_peer(a, g, &w, &k);
    }
    web_deinit(&w);
    return 1;
}
