/* SPDX-License-Identifier: MIT */
/* peers.c - the snapshot of the peer list, and a load at a peer.
 *
 * What an answer means (in the golang dialect a Go node has one status for every failure, so our
 * own nodes say more in a header):
 *
 *   200, protobuf, a value             the value
 *   any status, HEADER_CODE final      the owner's own error, told to every waiter: the getter must
 *                                      not run a second time here
 *   anything else, or no answer        the peer could not be used: our getter loads the key
 *   the load's time is over            TIMEOUT: a slow getter at the owner is no reason to run ours
 */
#include "net/peers.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "cache/group.h"
#include "cache/ring.h"
#include "net/fetch.h"
#include "net/net.h"
#include "wire/getresponse.h"

enum {
    ENVELOPE_BYTES = 64, /* of a GetResponse around its value, with room for unknown fields */
    LOG_EVERY_MS = 1000, /* at most one line per peer in that time */
    MESSAGE_BYTES = 200, /* of a peer's error text that we pass on */
    MAX_PASSED = 32      /* headers of a request that are passed on to the owner */
};

static const uint64_t MAX_TTL_MS = UINT32_MAX; /* no more is believed of a peer: 49 days */

struct peer {
    _Atomic unsigned refs;
    char *url; /* set once */
    int self;  /* set once */
    atomic_uint_fast64_t loads, errors, logged_ms;
};

struct view {
    struct ring *ring;
    struct peer **list; /* with references */
    size_t n;
};

struct peers {
    struct peers_opts opts; /* set once; strings are ours */
    struct net *net;        /* set once */
    char *from;             /* set once: the request header that tells who asks */
    pthread_rwlock_t lock;
    struct view view; /* guarded by lock */
};

/* A load under way at a peer. */
struct exchange {
    struct peers *peers;
    struct peer *peer;     /* a reference */
    struct flight *flight; /* the loader's reference */
};

static void peer_unref(struct peer *p)
{
    if (p && atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) == 1) {
        mem_free(p->url);
        mem_free(p);
    }
}

static struct peer *peer_ref(struct peer *p)
{
    atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
    return p;
}

static void view_clear(struct view *v)
{
    size_t i;

    for (i = 0; i < v->n; i++)
        peer_unref(v->list[i]);
    mem_free(v->list);
    ring_free(v->ring);
    memset(v, 0, sizeof(*v));
}

struct peers *peers_new(const struct peers_opts *o, struct net *net)
{
    struct peers *p = mem_zalloc(sizeof(*p));
    struct buf from;
    size_t len;

    p->opts = *o;
    p->opts.self = mem_strdup(o->self);
    p->opts.base_path = mem_strdup(o->base_path);
    p->net = net;
    buf_init(&from, 0);
    buf_putf(&from, HEADER_FROM ": %s", o->self);
    buf_put(&from, "", 1);
    p->from = buf_take(&from, &len);
    pthread_rwlock_init(&p->lock, NULL);
    return p;
}

struct peers *peers_like(const struct peers *p)
{
    return peers_new(&p->opts, p->net);
}

void peers_free(struct peers *p)
{
    if (!p)
        return;
    view_clear(&p->view);
    pthread_rwlock_destroy(&p->lock);
    mem_free((char *)(size_t)p->opts.self);
    mem_free((char *)(size_t)p->opts.base_path);
    mem_free(p->from);
    mem_free(p);
}

/* --- the list --- */

/* A peer's URL is joined with base_path as it is, so it must end with its host and port. */
static enum err check_url(const char *url, struct error *e)
{
    const char *host = strstr(url, "://"), *c;

    if (!host || (strncasecmp(url, "http://", 7) != 0 && strncasecmp(url, "https://", 8) != 0))
        return error_set(e, ERR_INVAL, "peer \"%s\" is not a URL of the form http://host:port",
                         url);
    host += 3;
    for (c = host; *c; c++) {
        if (*c == '/' || *c == '?' || *c == '#' || *c == '@' || *c <= ' ' || *c == 0x7f)
            break;
    }
    if (*c == '/')
        return error_set(e, ERR_INVAL,
                         "peer \"%s\" must end after host and port, without a slash "
                         "or a path: base_path is added to it",
                         url);
    if (*c || c == host)
        return error_set(e, ERR_INVAL, "peer \"%s\" is not a URL of the form http://host:port",
                         url);
    return ERR_OK;
}

enum err peers_check(const struct peers *p, const char *const *urls, size_t n, struct error *e)
{
    size_t i, j, self = n;

    for (i = 0; i < n; i++) {
        if (check_url(urls[i], e))
            return e->code;
        for (j = 0; j < i; j++) {
            if (strcmp(urls[i], urls[j]) == 0)
                return error_set(e, ERR_INVAL, "peer \"%s\" is listed twice", urls[i]);
        }
        if (strcmp(urls[i], p->opts.self) == 0)
            self = i;
    }
    if (n && self == n)
        return error_set(e, ERR_INVAL,
                         "self \"%s\" is not in the peer list (%zu peers, the first "
                         "is \"%s\"): every node must list itself, byte for byte",
                         p->opts.self, n, urls[0]);
    return ERR_OK;
}

/* The peer of that URL that is there already, so that its counters go on, or a new one. */
static struct peer *keep_or_make(const struct peers *p, const char *url)
{
    struct peer *peer;
    size_t i;

    for (i = 0; i < p->view.n; i++) {
        if (strcmp(p->view.list[i]->url, url) == 0)
            return peer_ref(p->view.list[i]);
    }
    peer = mem_zalloc(sizeof(*peer));
    atomic_init(&peer->refs, 1);
    peer->url = mem_strdup(url);
    peer->self = strcmp(url, p->opts.self) == 0;
    return peer;
}

enum err peers_set(struct peers *p, const char *const *urls, size_t n, struct error *e)
{
    struct view next = {.n = n}, old;
    size_t i;

    if (peers_check(p, urls, n, e))
        return e->code;
    next.ring = ring_new(RING_CRC32, urls, n, p->opts.replicas, e);
    if (!next.ring)
        return e->code;
    next.list = mem_zalloc((n + 1) * sizeof(struct peer *));
    pthread_rwlock_rdlock(&p->lock);
    for (i = 0; i < n; i++)
        next.list[i] = keep_or_make(p, urls[i]);
    pthread_rwlock_unlock(&p->lock);

    pthread_rwlock_wrlock(&p->lock);
    old = p->view;
    p->view = next;
    pthread_rwlock_unlock(&p->lock);
    view_clear(&old);
    return ERR_OK;
}

static struct peer *owner_locked(const struct peers *p, const void *key, size_t key_len)
{
    size_t i = p->view.ring ? ring_owner(p->view.ring, key, key_len) : SIZE_MAX;

    return i == SIZE_MAX ? NULL : p->view.list[i];
}

struct peer *peers_owner(void *ctx, const void *key, size_t key_len)
{
    struct peers *p = ctx;
    struct peer *peer;

    pthread_rwlock_rdlock(&p->lock);
    peer = owner_locked(p, key, key_len);
    peer = peer && !peer->self ? peer_ref(peer) : NULL;
    pthread_rwlock_unlock(&p->lock);
    return peer;
}

void peers_disown(void *ctx, struct peer *owner)
{
    (void)ctx;
    peer_unref(owner);
}

void peers_each(struct peers *p, void (*fn)(void *arg, const struct peer_stats *s), void *arg)
{
    size_t i;

    pthread_rwlock_rdlock(&p->lock);
    for (i = 0; i < p->view.n; i++) {
        struct peer *peer = p->view.list[i];
        struct peer_stats s = {peer->url, peer->self, atomic_load(&peer->loads),
                               atomic_load(&peer->errors)};

        fn(arg, &s);
    }
    pthread_rwlock_unlock(&p->lock);
}

/* --- a load --- */

/* Says what went wrong with a peer, at most once a second: a dead peer fails every load. */
static void log_failure(struct peer *peer, const struct flight *f, const char *why)
{
    uint64_t now = clock_ms() + 1, last = atomic_load(&peer->logged_ms);
    char quoted[320];

    if (last && now < last + LOG_EVERY_MS)
        return;
    if (atomic_compare_exchange_strong(&peer->logged_ms, &last, now))
        log_warn("peers", "peer could not be used, loading here", "peer=%s group=%s error=%s",
                 peer->url, group_name(f->group),
                 log_quote(quoted, sizeof(quoted), why, strlen(why)));
}

static void unusable(struct exchange *x, const char *why)
{
    atomic_fetch_add(&x->peer->errors, 1);
    log_failure(x->peer, x->flight, why);
    group_fallback(x->flight);
}

/* When the value ends here: as long from now as at the owner. One who does not say (a Go node, or a
 * value that is good for good) leaves it to the group's own ttl. */
static uint64_t expiry(struct fetch *f, uint64_t group_ttl_ms)
{
    const char *ttl = fetch_header(f, HEADER_TTL);
    uint64_t ms = ttl ? strtoull(ttl, NULL, 10) : group_ttl_ms;

    return ttl || group_ttl_ms ? clock_ms() + (ms < MAX_TTL_MS ? ms : MAX_TTL_MS) : 0;
}

static void take_value(struct exchange *x, struct fetch *f)
{
    struct buf *body = fetch_body(f);
    const char *type = fetch_header(f, "Content-Type");
    struct flight *flight = x->flight;
    struct group_opts opts = group_opts(flight->group);
    struct result r = {.source = SOURCE_PEER};
    struct getresponse answer;
    struct error e;

    if (!type || strncasecmp(type, DIALECT_CONTENT_TYPE, strlen(DIALECT_CONTENT_TYPE)) != 0) {
        unusable(x, "the answer is no " DIALECT_CONTENT_TYPE);
    } else if (getresponse_decode(body->data, body->len, &answer, &e)) {
        unusable(x, e.msg);
    } else if (answer.value_len > opts.max_value_bytes) {
        unusable(x, "the value is over max_value_bytes");
    } else if (!(r.item = item_new(flight->key, flight->key_len, flight->hash, answer.value,
                                   answer.value_len, expiry(f, opts.ttl_ms)))) {
        group_finish_error(flight, ERR_NOMEM, "no memory for a value of %zu bytes",
                           answer.value_len);
    } else {
        atomic_fetch_add(&x->peer->loads, 1);
        group_finish(flight, &r);
        item_unref(r.item);
    }
}

/* The owner's error text: the body without the newline that Go's http.Error puts behind it. */
static void take_error(struct exchange *x, struct fetch *f, enum err code)
{
    struct buf *body = fetch_body(f);
    size_t n = body->len;

    while (n && body->data[n - 1] == '\n')
        n--;
    if (n > MESSAGE_BYTES)
        n = MESSAGE_BYTES;
    atomic_fetch_add(&x->peer->loads, 1);
    group_finish_error(x->flight, code, "%.*s", (int)n, n ? body->data : "");
}

static void exchange_done(void *ctx, struct fetch *f)
{
    struct exchange *x = ctx;
    const struct error *e = fetch_error(f);
    const char *code_name = e->code ? NULL : fetch_header(f, HEADER_CODE);
    enum err code = code_name ? err_from_name(code_name) : ERR_OK;
    char why[80];
    int late;

    /* Also a load whose time went by while it waited for a connection has no time for our getter.
     */
    late = e->code == ERR_TIMEOUT &&
           (fetch_phase(f) == FETCH_TIMED_OUT || clock_ms() >= x->flight->deadline_ms);
    if (e->code == ERR_CLOSED || late) {
        group_finish_error(x->flight, e->code, "%s", e->msg);
    } else if (e->code) {
        unusable(x, e->msg);
    } else if (fetch_status(f) == 200) {
        take_value(x, f);
    } else if (err_is_final(code)) {
        take_error(x, f, code);
    } else {
        snprintf(why, sizeof(why), "status %d", fetch_status(f));
        unusable(x, why);
    }
    peer_unref(x->peer);
    mem_free(x);
}

static enum err put_url(struct buf *url, const struct peers *p, const struct exchange *x)
{
    const char *group = group_name(x->flight->group);

    buf_puts(url, x->peer->url);
    buf_puts(url, p->opts.base_path);
    dialect_put_target(url, group, strlen(group), x->flight->key, x->flight->key_len);
    return buf_put(url, "", 1);
}

/* The request's headers that the owner's getter may want, as header lines. Returns how many. */
static size_t put_passed(struct buf *out, const struct flight *f, const char **lines)
{
    const char *at = f->info, *end = f->info + f->info_len;
    size_t n = 0, i, offsets[MAX_PASSED];

    while (at < end && n < MAX_PASSED) {
        const char *value = at + strlen(at) + 1;

        if (*at) { /* the name of who asks us is not passed on */
            size_t from = out->len;

            buf_putf(out, "%s: %s", at, value);
            buf_put(out, "", 1);
            if (!out->failed && fetch_takes_header(out->data + from))
                offsets[n++] = from;
            else
                out->len = from; /* no request of ours could hold it */
        }
        at = value + strlen(value) + 1;
    }
    if (out->failed)
        return 0;
    for (i = 0; i < n; i++)
        lines[i] = out->data + offsets[i];
    return n;
}

void peers_load(void *ctx, struct flight *f, struct peer *owner)
{
    struct peers *p = ctx;
    const char *headers[MAX_PASSED + 1] = {p->from};
    uint64_t now = clock_ms(), left = f->deadline_ms > now ? f->deadline_ms - now : 1;
    struct exchange *x = mem_zalloc(sizeof(*x));
    struct fetch_opts o = {.headers = headers, .done = exchange_done, .ctx = x};
    struct fetch *fetch = NULL;
    struct error e;
    struct buf url, passed;

    *x = (struct exchange){p, owner, f};
    buf_init(&url, 0);
    buf_init(&passed, 0);
    o.n_headers = 1 + put_passed(&passed, f, headers + 1);
    if (put_url(&url, p, x)) {
        error_set(&e, ERR_NOMEM, "no memory for a URL");
    } else {
        o.url = url.data;
        o.connect_timeout_ms = p->opts.connect_timeout_ms;
        o.timeout_ms = left;
        o.max_bytes = (size_t)group_opts(f->group).max_value_bytes + ENVELOPE_BYTES;
        fetch = fetch_start(p->net, &o, &e);
    }
    buf_deinit(&url);
    buf_deinit(&passed);
    fetch_unref(fetch);
    if (fetch)
        return;
    group_finish_error(f, e.code, "%s", e.msg);
    peer_unref(owner);
    mem_free(x);
}
