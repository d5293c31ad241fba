/* SPDX-License-Identifier: MIT */
/* retry.c - removals that a node has not confirmed. It is told again, at growing intervals, until
 * it confirms, is removed from the peer list, or ten minutes have passed.
 *
 * An entry holds the keys that one node must remove from one group; too many keys become a flush. A
 * failed set becomes a removal, too: removing can only cost a load. If an owner confirms late, the
 * others are told once more: they may have fetched the old value from it. */
#include "change/retry.h"

#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "cache/group.h"
#include "change/keys.h"
#include "peer/peer_in.h"

enum {
    FIRST_MS = 500, /* before the node is told again the first time */
    LONGEST_MS = 30000,
    BOUND_MS = 600000, /* after which the entry is given up */
    EXCHANGE_MS = 5000,
    MAX_KEYS = 2000 /* of one entry */
};

struct retry_list {
    struct peers *(*peers_of)(const struct group *g); /* set once, like the next two */
    void (*again)(void *ctx, struct group *g, enum batch_op op, const struct keys *keys);
    void *ctx;
    pthread_mutex_t mu;
    struct list all; /* guarded by mu: struct retry */
    size_t n;        /* guarded by mu */
};

struct retry {
    struct list link; /* guarded by retry_list.mu, like all that follows */
    struct retry_list *list;
    struct group *group; /* a reference; set once, like url */
    char *url;
    enum batch_op op; /* BATCH_REMOVE or BATCH_FLUSH */
    struct keys keys;
    int owner;
    int under_way; /* an exchange is under way: nothing else of the entry changes */
    uint64_t until_ms, next_ms, wait_ms;
};

static void retry_free(struct retry *p)
{
    keys_free(&p->keys);
    group_unref(p->group);
    mem_free(p->url);
    mem_free(p);
}

static void unlink_locked(struct retry *p)
{
    list_del(&p->link);
    p->list->n--;
}

static struct retry *find_locked(struct retry_list *rs, const struct group *g, const char *url)
{
    struct list *l;

    list_each (l, &rs->all) {
        struct retry *p = list_entry(l, struct retry, link);

        if (p->group == g && !p->under_way && strcmp(p->url, url) == 0)
            return p;
    }
    return NULL;
}

static void add_keys_locked(struct retry *p, enum batch_op op, const struct keys *more)
{
    struct key list[MAX_KEYS];
    struct keys all = {NULL, 0};
    size_t n = p->keys.n + more->n;

    if (p->keys.n)
        memcpy(list, p->keys.list, p->keys.n * sizeof(*list));
    if (n <= MAX_KEYS && more->n)
        memcpy(list + p->keys.n, more->list, more->n * sizeof(*list));
    if (op == BATCH_FLUSH || n > MAX_KEYS || p->op == BATCH_FLUSH || keys_copy(&all, list, n))
        p->op = BATCH_FLUSH; /* also without memory for the keys: a flush only costs loads */
    keys_free(&p->keys);
    p->keys = all;
}

void retry_add(struct retry_list *rs, const struct retry_what *what)
{
    uint64_t now = clock_ms();
    struct retry *p;

    pthread_mutex_lock(&rs->mu);
    p = find_locked(rs, what->group, what->url);
    if (!p) {
        p = mem_zalloc(sizeof(*p));
        p->list = rs;
        p->group = group_ref(what->group);
        p->url = mem_strdup(what->url);
        p->op = BATCH_REMOVE;
        p->wait_ms = FIRST_MS;
        p->next_ms = now + FIRST_MS;
        list_push_back(&rs->all, &p->link);
        rs->n++;
    }
    p->owner |= what->owner;
    p->until_ms = now + BOUND_MS;
    add_keys_locked(p, what->op, what->keys);
    pthread_mutex_unlock(&rs->mu);
}

/* --- telling again, on the network thread --- */

static void again_failed(struct retry *p)
{
    struct retry_list *rs = p->list;
    uint64_t now = clock_ms();
    int gone;

    pthread_mutex_lock(&rs->mu);
    p->under_way = 0;
    p->wait_ms = p->wait_ms * 2 < LONGEST_MS ? p->wait_ms * 2 : LONGEST_MS;
    p->next_ms = now + p->wait_ms;
    gone = now >= p->until_ms;
    if (gone)
        unlink_locked(p);
    pthread_mutex_unlock(&rs->mu);
    if (!gone)
        return;
    log_warn("change", "a node never confirmed a removal", "peer=%s group=%s keys=%zu", p->url,
             group_name(p->group), p->keys.n);
    retry_free(p);
}

static void forget(struct retry *p)
{
    pthread_mutex_lock(&p->list->mu);
    unlink_locked(p);
    pthread_mutex_unlock(&p->list->mu);
    retry_free(p);
}

static void again_done(void *ctx, enum err code, const char *text)
{
    struct retry *p = ctx;

    (void)text;
    if (code && code != ERR_INVAL) {
        again_failed(p);
        return;
    }
    if (!code && p->owner)
        p->list->again(p->list->ctx, p->group, p->op, &p->keys);
    forget(p);
}

/* The peer of that URL, a reference, or NULL if it is no longer a peer. */
static struct peer *find_peer(struct peers *peers, const char *url)
{
    struct peer **list, *found = NULL;
    size_t n;

    list = peers_list(peers, &n);
    while (n--) {
        if (!found && strcmp(list[n]->url, url) == 0)
            found = list[n];
        else
            peer_unref(list[n]);
    }
    mem_free(list);
    return found;
}

static void tell_again(struct retry *p)
{
    struct peer *peer = find_peer(p->list->peers_of(p->group), p->url);
    const struct batch_request what = {.op = p->op, .keys = p->keys.list, .n_keys = p->keys.n};
    const struct tell_opts o = {
        .group = p->group, .what = &what, .timeout_ms = EXCHANGE_MS, .done = again_done, .ctx = p};

    if (!peer || group_is_closed(p->group)) { /* a reload removed the group and its peers */
        peer_unref(peer);
        forget(p);
        return;
    }
    peer_tell(peer, &o);
    peer_unref(peer);
}

static struct retry *next_due(struct retry_list *rs, uint64_t now_ms)
{
    struct retry *due = NULL;
    struct list *l;

    pthread_mutex_lock(&rs->mu);
    list_each (l, &rs->all) {
        struct retry *p = list_entry(l, struct retry, link);

        if (!p->under_way && p->next_ms <= now_ms) {
            p->under_way = 1;
            due = p;
            break;
        }
    }
    pthread_mutex_unlock(&rs->mu);
    return due;
}

void retry_tick(struct retry_list *rs, uint64_t now_ms)
{
    struct retry *p;

    while ((p = next_due(rs, now_ms)))
        tell_again(p);
}

size_t retry_count(struct retry_list *rs)
{
    size_t n;

    pthread_mutex_lock(&rs->mu);
    n = rs->n;
    pthread_mutex_unlock(&rs->mu);
    return n;
}

struct retry_list *retry_list_new(struct peers *(*peers_of)(const struct group *g),
                                  void (*again)(void *ctx, struct group *g, enum batch_op op,
                                                const struct keys *keys),
                                  void *ctx)
{
    struct retry_list *rs = mem_zalloc(sizeof(*rs));

    rs->peers_of = peers_of;
    rs->again = again;
    rs->ctx = ctx;
    pthread_mutex_init(&rs->mu, NULL);
    list_init(&rs->all);
    return rs;
}

void retry_list_free(struct retry_list *rs)
{
    struct list *l;

    while ((l = list_pop_front(&rs->all)))
        retry_free(list_entry(l, struct retry, link));
    pthread_mutex_destroy(&rs->mu);
    mem_free(rs);
}
