/* SPDX-License-Identifier: MIT */
/* peers.c - the snapshot of the peer list, and the owners of keys. */
#include "peer/peers.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/url.h"
#include "peer/balance.h"
#include "peer/names.h"
#include "peer/outline.h"
#include "peer/peer_in.h"
#include "peer/ring.h"
#include "peer/view.h"

void peer_unref(struct peer *p)
{
    if (p && atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) == 1) {
        pthread_mutex_destroy(&p->mu);
        names_give_back(p->name);
        mem_free(p->url);
        mem_free(p);
    }
}

struct peer *peer_ref(struct peer *p)
{
    atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
    return p;
}

enum { DEPARTED_MS = 10000 /* longer than most changes take */ };

int peers_is_usable(const struct peer *p)
{
    enum health_state s = atomic_load_explicit(&p->state, memory_order_acquire);

    return (s == HEALTH_FINE || s == HEALTH_SUSPECT) && !atomic_load(&p->silent) &&
           !atomic_load(&p->waits);
}

static void view_clear(struct view *v)
{
    size_t i;

    for (i = 0; i < v->n; i++)
        peer_unref(v->list[i]);
    mem_free(v->list);
    mem_free(v->by_url);
    mem_free(v->shares);
    balance_free(v->balance);
    ring_free(v->ring);
    memset(v, 0, sizeof(*v));
}

/* The text of a view with n names on the ring. */
static void write_outline(const struct peers *p, const char *const *names, size_t n,
                          struct view *out)
{
    const struct peers_opts *o = &p->opts;
    const struct outline ring = {o->dialect, o->hash, o->replicas, o->base_path};

    outline_put(&ring, names, n, out->text);
}

static struct peers *make_peers(const struct peers_opts *o, struct net *net, struct names *names)
{
    struct peers *p = mem_zalloc(sizeof(*p));
    struct buf from;
    size_t len;

    p->opts = *o;
    p->opts.self = mem_strdup(o->self);
    p->opts.base_path = mem_strdup(o->base_path);
    p->opts.ring_scheme = o->ring_scheme ? mem_strdup(o->ring_scheme) : NULL;
    p->net = net;
    p->names = names;
    buf_init(&from, 0);
    buf_putf(&from, HEADER_FROM ": %s", o->self);
    buf_put(&from, "", 1);
    p->from = buf_take(&from, &len);
    atomic_init(&p->changed_ms, clock_ms());
    pthread_mutex_init(&p->agree_mu, NULL);
    pthread_rwlock_init(&p->lock, NULL);
    write_outline(p, NULL, 0, &p->view);
    list_init(&p->watched);
    return p;
}

struct peers *peers_new(const struct peers_opts *o, struct net *net)
{
    return make_peers(o, net, names_new());
}

struct peers *peers_like(const struct peers *p)
{
    return make_peers(&p->opts, p->net, names_ref(p->names));
}

/* Once the network thread has ended. */
static void forget_watched(struct peers *p)
{
    struct list *l;

    while ((l = list_pop_front(&p->watched)))
        peer_unref(list_entry(l, struct peer, watched));
}

void peers_free(struct peers *p)
{
    if (!p)
        return;
    forget_watched(p);
    view_clear(&p->view);
    names_unref(p->names);
    pthread_rwlock_destroy(&p->lock);
    pthread_mutex_destroy(&p->agree_mu);
    departed_deinit(&p->departed);
    mem_free((char *)(size_t)p->opts.self);
    mem_free((char *)(size_t)p->opts.base_path);
    mem_free((char *)(size_t)p->opts.ring_scheme);
    mem_free(p->from);
    mem_free(p);
}

/* --- the list --- */

/* The part of a peer's URL that tells it from others. */
static const char *place_of(const struct peers *p, const char *url)
{
    const char *place = p->opts.ring_scheme ? strstr(url, "://") : NULL;

    return place ? place : url;
}

static int is_self(const struct peers *p, const char *url)
{
    return strcmp(place_of(p, url), place_of(p, p->opts.self)) == 0;
}

/* Its name on the ring, which the caller frees. */
static char *ring_name(const struct peers *p, const char *url)
{
    struct buf text;
    char *name;
    size_t n;

    buf_init(&text, 0);
    buf_putf(&text, "%s%s", p->opts.ring_scheme ? p->opts.ring_scheme : "", place_of(p, url));
    buf_put(&text, "", 1);
    name =
        text.failed ? mem_strdup(url) : mem_strdup(dialect_ring_name(p->opts.dialect, text.data));
    mem_free(buf_take(&text, &n));
    return name;
}

/* The first URL that has the ring's name of an earlier one, or NULL. */
static const char *listed_twice(const struct peers *p, const char *const *urls, size_t n)
{
    const char **names = mem_zalloc((n + 1) * sizeof(*names));
    size_t i;

    for (i = 0; i < n; i++)
        names[i] = dialect_ring_name(p->opts.dialect, place_of(p, urls[i]));
    i = view_repeated(names, n);
    mem_free(names);
    return i < n ? urls[i] : NULL;
}

enum err peers_check(const struct peers *p, const char *const *urls, size_t n, struct error *e)
{
    const char *twice;
    size_t i, self = n;

    for (i = 0; i < n; i++) {
        if (url_check_peer(urls[i], e))
            return e->code;
        if (is_self(p, urls[i]))
            self = i;
    }
    twice = listed_twice(p, urls, n);
    if (twice)
        return error_set(e, ERR_INVAL, "peer \"%s\" is listed twice", twice);
    if (n && self == n)
        return error_set(e, ERR_INVAL,
                         "self \"%s\" is not in the peer list (%zu peers, the first "
                         "is \"%s\"): every node must list itself, byte for byte",
                         p->opts.self, n, urls[0]);
    return ERR_OK;
}

static void find_address(struct peer *peer, struct names *names)
{
    size_t n;
    const char *host = url_host(peer->url, &n);

    if (!address_parse(host, n, &peer->address))
        peer->name = names_get(names, host, n);
}

/* Each node has another, by the secret of hash_table(). */
static uint64_t pause_seed(const struct peers *p, const char *url)
{
    return hash_table(p->from, strlen(p->from)) ^ hash_table(url, strlen(url)) << 1 ^
           clock_ms() << 20;
}

/* The present peer of that URL, so that its counters go on, or a new peer. */
static struct peer *keep_or_make(struct peers *p, const char *url)
{
    struct peer *peer = view_find(&p->view, url);

    if (peer) {
        atomic_store(&peer->distrusted, 0);
        return peer_ref(peer);
    }
    peer = mem_zalloc(sizeof(*peer));
    atomic_init(&peer->refs, 1);
    peer->peers = p;
    peer->url = mem_strdup(url);
    peer->self = is_self(p, url);
    find_address(peer, p->names);
    pthread_mutex_init(&peer->mu, NULL);
    list_init(&peer->queue);
    list_init(&peer->watched);
    list_init(&peer->calls);
    health_init(&peer->health, pause_seed(p, url), clock_ms());
    return peer;
}

/* Makes the ring of a view, and its text. */
static enum err make_ring(const struct peers *p, const char *const *urls, size_t n,
                          struct view *out, struct error *e)
{
    int md5 = dialect_facts(p->opts.dialect)->md5_points;
    char **names = mem_zalloc((n + 1) * sizeof(*names));
    size_t i;

    for (i = 0; i < n; i++)
        names[i] = ring_name(p, urls[i]);
    out->ring = ring_new(p->opts.hash, md5 ? RING_MD5 : RING_PLAIN, (const char *const *)names, n,
                         (unsigned)p->opts.replicas, e);
    write_outline(p, (const char *const *)names, n, out);
    for (i = 0; i < n; i++)
        mem_free(names[i]);
    mem_free(names);
    return out->ring ? ERR_OK : e->code;
}

/* --- joining and leaving --- */

/* Notes who is in `old` only. */
static void note_departed_locked(struct peers *p, const struct view *old)
{
    size_t i;

    for (i = 0; i < old->n; i++)
        if (!old->list[i]->self && !view_find(&p->view, old->list[i]->url))
            departed_note(&p->departed, old->list[i]->url, clock_ms());
}

static uint64_t left_ms(struct peers *p, const char *url)
{
    uint64_t at_ms;

    pthread_rwlock_rdlock(&p->lock);
    at_ms = departed_ms(&p->departed, url);
    pthread_rwlock_unlock(&p->lock);
    return at_ms;
}

/* Peers that are only in the view to come wait. */
static void hold_new_locked(struct peers *p, const struct view *next)
{
    size_t i;

    for (i = 0; i < next->n && p->opts.joined; i++) {
        if (next->list[i]->self || view_find(&p->view, next->list[i]->url))
            continue;
        atomic_store(&next->list[i]->waits, 1);
        atomic_store(&p->has_ejected, 1); /* next owners are asked */
    }
}

/* Who left while a change was under way may have been told of it, or not. */
static void greet_new(struct peers *p)
{
    size_t i, n;
    struct peer **list = peers_list(p, &n);

    for (i = 0; i < n; i++) {
        uint64_t left = left_ms(p, list[i]->url);

        if (atomic_load(&list[i]->waits) == 1) {
            atomic_store(&list[i]->waits, 2);
            p->opts.joined(p->opts.ctx, list[i], left > DEPARTED_MS ? left - DEPARTED_MS : left);
        }
        peer_unref(list[i]);
    }
    mem_free(list);
}

void peers_admit(struct peer *peer)
{
    atomic_store(&peer->waits, 0);
}

enum err peers_set(struct peers *p, const char *const *urls, size_t n, struct error *e)
{
    struct view next = {.n = n}, old;
    size_t i;

    if (peers_check(p, urls, n, e))
        return e->code;
    if (make_ring(p, urls, n, &next, e))
        return e->code;
    next.balance = balance_new(n);
    next.list = mem_zalloc((n + 1) * sizeof(struct peer *));
    next.shares = mem_zalloc((n + 1) * sizeof(*next.shares));
    ring_shares(next.ring, next.shares, n);
    pthread_rwlock_rdlock(&p->lock);
    for (i = 0; i < n; i++)
        next.list[i] = keep_or_make(p, urls[i]);
    view_index(&next);
    hold_new_locked(p, &next);
    pthread_rwlock_unlock(&p->lock);
    view_listed(next.list, n, 1);

    pthread_rwlock_wrlock(&p->lock);
    old = p->view;
    p->view = next;
    if (strcmp(old.text, next.text) != 0) {
        atomic_store(&p->changed_ms, clock_ms());
        atomic_fetch_add(&p->generation, 1);
    }
    if (old.n <= 1 && n > 1)
        atomic_store(&p->warm_ms, clock_ms() + PEERS_WARM_MS);
    note_departed_locked(p, &old);
    pthread_rwlock_unlock(&p->lock);
    view_listed(old.list, old.n, 0);
    greet_new(p);
    view_clear(&old);
    return ERR_OK;
}

static void warn_of_skew(struct peers *p, const struct peer *busiest,
                         const struct balance_skew *skew)
{
    if (atomic_exchange(&p->warned, 1))
        return;
    log_warn("peers", "the ring is out of balance: one peer has most of the keys asked for here",
             "peer=%s share=%.2f keys=%zu dialect=%s hash=%s", busiest->url, skew->share,
             skew->keys, dialect_name(p->opts.dialect), hash_kind_name(p->opts.hash));
}

struct seeker {
    const struct view *view;
    const struct peer *but;
};

static int is_out(void *arg, size_t i)
{
    const struct seeker *s = arg;
    const struct peer *p = s->view->list[i];

    return !p->self && (p == s->but || !peers_is_usable(p));
}

/* The place of the first usable owner of the key. */
static size_t next_locked(const struct peers *p, const void *key, size_t key_len,
                          const struct peer *but)
{
    struct seeker s = {&p->view, but};

    return ring_next(p->view.ring, key, key_len, is_out, &s);
}

struct peer *peers_next(struct peers *p, const void *key, size_t key_len, const struct peer *but)
{
    struct peer *peer = NULL;
    size_t i;

    pthread_rwlock_rdlock(&p->lock);
    i = p->view.ring ? next_locked(p, key, key_len, but) : SIZE_MAX;
    if (i != SIZE_MAX && !p->view.list[i]->self)
        peer = peer_ref(p->view.list[i]);
    pthread_rwlock_unlock(&p->lock);
    return peer;
}

static int is_self_or_out(void *arg, size_t i)
{
    const struct view *v = arg;

    return v->list[i]->self || !peers_is_usable(v->list[i]);
}

struct peer *peers_successor(struct peers *p, const void *key, size_t key_len)
{
    struct peer *peer = NULL;
    size_t i;

    pthread_rwlock_rdlock(&p->lock);
    i = p->view.ring ? ring_next(p->view.ring, key, key_len, is_self_or_out, &p->view) : SIZE_MAX;
    if (i != SIZE_MAX)
        peer = peer_ref(p->view.list[i]);
    pthread_rwlock_unlock(&p->lock);
    return peer;
}

struct peer *peers_owner(void *ctx, const void *key, size_t key_len)
{
    struct peers *p = ctx;
    struct peer *peer = NULL, *busiest = NULL;
    struct balance_skew skew = {.busiest = 0};
    size_t i;

    pthread_rwlock_rdlock(&p->lock);
    i = p->view.ring ? ring_owner(p->view.ring, key, key_len) : SIZE_MAX;
    if (i != SIZE_MAX) {
        size_t place = i;

        if (!peers_is_usable(p->view.list[i]))
            place = next_locked(p, key, key_len, NULL);
        if (place != SIZE_MAX && !p->view.list[place]->self)
            peer = peer_ref(p->view.list[place]);
        if (balance_count(p->view.balance, key, key_len, i, &skew))
            busiest = peer_ref(p->view.list[skew.busiest]);
    }
    pthread_rwlock_unlock(&p->lock);
    if (busiest)
        warn_of_skew(p, busiest, &skew);
    peer_unref(busiest);
    return peer;
}

void peers_disown(void *ctx, struct peer *owner)
{
    (void)ctx;
    peer_unref(owner);
}

uint64_t peers_changed_ms(const struct peers *p)
{
    return atomic_load(&p->changed_ms);
}

void peers_put(struct peers *p, struct buf *out)
{
    size_t i;

    pthread_rwlock_rdlock(&p->lock);
    for (i = 0; i < p->view.n; i++)
        buf_putf(out, "%s\n", p->view.list[i]->url);
    pthread_rwlock_unlock(&p->lock);
}

int peers_have(struct peers *p, const struct peer *peer)
{
    int have;

    pthread_rwlock_rdlock(&p->lock);
    have = view_find(&p->view, peer->url) == peer;
    pthread_rwlock_unlock(&p->lock);
    return have;
}

struct peer *peers_find_or_make(struct peers *p, const char *url)
{
    struct peer *peer;
    struct error e;

    if (url_check_peer(url, &e))
        return NULL;
    pthread_rwlock_rdlock(&p->lock);
    peer = keep_or_make(p, url);
    pthread_rwlock_unlock(&p->lock);
    return peer;
}

size_t peers_count(struct peers *p)
{
    size_t n;

    pthread_rwlock_rdlock(&p->lock);
    n = p->view.n;
    pthread_rwlock_unlock(&p->lock);
    return n;
}

struct peer *peers_place(struct peers *p, const void *key, size_t key_len)
{
    struct peer *peer = NULL;
    size_t i;

    pthread_rwlock_rdlock(&p->lock);
    i = p->view.ring ? ring_owner(p->view.ring, key, key_len) : SIZE_MAX;
    if (i != SIZE_MAX)
        peer = peer_ref(p->view.list[i]);
    pthread_rwlock_unlock(&p->lock);
    return peer;
}

char *peers_owner_url(struct peers *p, const void *key, size_t key_len, int usable)
{
    char *url = NULL;
    size_t i;

    pthread_rwlock_rdlock(&p->lock);
    i = p->view.ring ? ring_owner(p->view.ring, key, key_len) : SIZE_MAX;
    if (i != SIZE_MAX && usable && !p->view.list[i]->self && !peers_is_usable(p->view.list[i]))
        i = next_locked(p, key, key_len, NULL);
    if (i != SIZE_MAX)
        url = mem_strdup(p->view.list[i]->url);
    pthread_rwlock_unlock(&p->lock);
    return url;
}

int peers_is_ours(struct peers *p, const void *key, size_t key_len)
{
    struct peer *owner = peers_place(p, key, key_len);
    int ours = !owner || owner->self;

    peer_unref(owner);
    return ours;
}

int peers_owns(struct peers *p, const struct peer *peer, const void *key, size_t key_len)
{
    size_t i;
    int owns;

    pthread_rwlock_rdlock(&p->lock);
    i = p->view.ring ? ring_owner(p->view.ring, key, key_len) : SIZE_MAX;
    owns = i != SIZE_MAX && p->view.list[i] == peer;
    pthread_rwlock_unlock(&p->lock);
    return owns;
}

struct peer **peers_list(struct peers *p, size_t *n)
{
    struct peer **list;
    size_t i;

    pthread_rwlock_rdlock(&p->lock);
    *n = p->view.n;
    list = mem_zalloc((*n + 1) * sizeof(struct peer *));
    for (i = 0; i < *n; i++)
        list[i] = peer_ref(p->view.list[i]);
    pthread_rwlock_unlock(&p->lock);
    return list;
}

int peers_are_at(struct peers *p, const struct address *a)
{
    int found = 0;
    size_t i;

    pthread_rwlock_rdlock(&p->lock);
    for (i = 0; i < p->view.n && !found; i++) {
        const struct peer *peer = p->view.list[i];

        found = peer->name ? names_have(peer->name, a) : address_equal(&peer->address, a);
    }
    pthread_rwlock_unlock(&p->lock);
    if (!found)
        names_again(p->names);
    return found;
}
