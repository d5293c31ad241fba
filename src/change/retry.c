/* SPDX-License-Identifier: MIT */
/* retry.c - removals that a node has not confirmed. It is told again, at growing intervals, until
 * it confirms, is removed from the peer list, or ten minutes have passed.
 *
 * An entry holds the keys that one node must remove from one group; too many keys become a flush. A
 * failed set becomes a removal, too: removing can only cost a load. If an owner confirms late, the
 * others are told once more: they may have fetched the old value from it.
 *
 * The entries of a node are in a list. While the node fails, it is told of the first only, at
 * intervals of the node, and of all others once it has confirmed one. So a node that has stopped
 * costs the same with 10,000 groups as with one. */
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
    LATE_MS = 1000,     /* between two looks for entries that are given up */
    MOST_AT_ONCE = 128, /* exchanges with one node */
    MAX_KEYS = 2000,    /* of one entry */
    BUCKETS = 256
};

struct retry_list {
    struct peers *(*peers_of)(const struct group *g); /* set once, like the next two */
    void (*again)(void *ctx, struct group *g, enum batch_op op, const struct keys *keys);
    void *ctx;
    pthread_mutex_t mu;
    struct list nodes; /* guarded by mu: struct node */
    size_t n;          /* guarded by mu: entries of all nodes */
    uint64_t late_ms;  /* of the thread that ticks: when it looks for late entries again */
};

/* A node with entries. All but the URL is guarded by retry_list.mu. */
struct node {
    struct list link;
    char *url;           /* set once */
    struct list entries; /* struct retry, those under way too; the next that is told is first */
    struct retry *by_group[BUCKETS]; /* the same, chained */
    size_t n, under_way;
    int failing; /* the last exchange failed; then: */
    uint64_t next_ms, wait_ms;
};

struct retry {
    struct list link; /* guarded by retry_list.mu, like all that follows */
    struct retry *chain;
    struct retry_list *list;
    struct node *node;
    struct group *group; /* a reference; set once */
    enum batch_op op;    /* BATCH_REMOVE or BATCH_FLUSH */
    struct keys keys;
    int owner;
    int under_way; /* an exchange is under way: nothing else of the entry changes */
    uint64_t until_ms, next_ms, wait_ms;
};

static void retry_free(struct retry *p)
{
    keys_free(&p->keys);
    group_unref(p->group);
    mem_free(p);
}

static void node_free(struct node *n)
{
    mem_free(n->url);
    mem_free(n);
}

/* --- the lists --- */

static struct node *node_locked(struct retry_list *rs, const char *url)
{
    struct node *n;
    struct list *l;

    list_each (l, &rs->nodes) {
        n = list_entry(l, struct node, link);
        if (strcmp(n->url, url) == 0)
            return n;
    }
    n = mem_zalloc(sizeof(*n));
    n->url = mem_strdup(url);
    list_init(&n->entries);
    list_push_back(&rs->nodes, &n->link);
    return n;
}

static struct retry **bucket(struct node *n, const struct group *g)
{
    return &n->by_group[(uintptr_t)g / sizeof(void *) / 8 % BUCKETS];
}

static struct retry *find_locked(struct node *n, const struct group *g)
{
    struct retry *p = *bucket(n, g);

    while (p && (p->group != g || p->under_way))
        p = p->chain;
    return p;
}

static void add_locked(struct node *n, struct retry *p)
{
    struct retry **at = bucket(n, p->group);

    p->node = n;
    p->chain = *at;
    *at = p;
    list_push_back(&n->entries, &p->link);
    n->n++;
    p->list->n++;
}

/* Frees the node with its last entry. */
static void remove_locked(struct retry *p)
{
    struct node *n = p->node;
    struct retry **at = bucket(n, p->group);

    while (*at != p)
        at = &(*at)->chain;
    *at = p->chain;
    list_del(&p->link);
    p->list->n--;
    if (--n->n)
        return;
    list_del(&n->link);
    node_free(n);
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

static uint64_t longer(uint64_t wait_ms)
{
    return wait_ms * 2 < LONGEST_MS ? wait_ms * 2 : LONGEST_MS;
}

static void node_failed_locked(struct node *n, uint64_t now)
{
    if (n->failing && n->next_ms > now)
        return; /* one of several that began together */
    n->wait_ms = n->failing ? longer(n->wait_ms) : FIRST_MS;
    n->next_ms = now + n->wait_ms;
    n->failing = 1;
}

void retry_add(struct retry_list *rs, const struct retry_what *what)
{
    uint64_t now = clock_ms();
    struct node *n;
    struct retry *p;

    pthread_mutex_lock(&rs->mu);
    n = node_locked(rs, what->url);
    if (!n->failing)
        node_failed_locked(n, now);
    p = find_locked(n, what->group);
    if (!p) {
        p = mem_zalloc(sizeof(*p));
        p->list = rs;
        p->group = group_ref(what->group);
        p->op = BATCH_REMOVE;
        p->wait_ms = FIRST_MS;
        p->next_ms = now + FIRST_MS;
        add_locked(n, p);
    }
    p->owner |= what->owner;
    p->until_ms = now + BOUND_MS;
    add_keys_locked(p, what->op, what->keys);
    pthread_mutex_unlock(&rs->mu);
}

/* --- telling again, on the network thread --- */

static void give_up(struct retry *p, const char *url)
{
    log_warn("change", "a node never confirmed a removal", "peer=%s group=%s keys=%zu", url,
             group_name(p->group), p->keys.n);
    retry_free(p);
}

static void again_failed(struct retry *p)
{
    struct retry_list *rs = p->list;
    uint64_t now = clock_ms();

    pthread_mutex_lock(&rs->mu);
    p->under_way = 0;
    p->node->under_way--;
    p->wait_ms = longer(p->wait_ms);
    p->next_ms = now + p->wait_ms;
    list_del(&p->link);
    list_push_back(&p->node->entries, &p->link);
    node_failed_locked(p->node, now);
    pthread_mutex_unlock(&rs->mu);
}

/* `answered`: the node has confirmed, or says that it never will. */
static void forget(struct retry *p, int answered)
{
    struct retry_list *rs = p->list;

    pthread_mutex_lock(&rs->mu);
    p->node->under_way--;
    p->node->failing &= !answered;
    remove_locked(p);
    pthread_mutex_unlock(&rs->mu);
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
    forget(p, 1);
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

/* The entry is under way, so its node stays. */
static void tell_again(struct retry *p)
{
    struct peer *peer = find_peer(p->list->peers_of(p->group), p->node->url);
    const struct batch_request what = {.op = p->op, .keys = p->keys.list, .n_keys = p->keys.n};
    const struct tell_opts o = {
        .group = p->group, .what = &what, .timeout_ms = EXCHANGE_MS, .done = again_done, .ctx = p};

    if (!peer || group_is_closed(p->group)) { /* a reload removed the group and its peers */
        peer_unref(peer);
        forget(p, 0);
        return;
    }
    peer_tell(peer, &o);
    peer_unref(peer);
}

/* The next entry of the node that is to be told now, or NULL. */
static struct retry *due_locked(const struct node *n, uint64_t now_ms)
{
    struct list *l;

    if (n->under_way >= (n->failing ? 1 : MOST_AT_ONCE) || (n->failing && n->next_ms > now_ms))
        return NULL;
    list_each (l, &n->entries) {
        struct retry *p = list_entry(l, struct retry, link);

        if (!p->under_way && (n->failing || p->next_ms <= now_ms))
            return p;
    }
    return NULL;
}

static struct retry *next_due(struct retry_list *rs, uint64_t now_ms)
{
    struct retry *due = NULL;
    struct list *l;

    pthread_mutex_lock(&rs->mu);
    for (l = rs->nodes.next; l != &rs->nodes && !due; l = l->next)
        due = due_locked(list_entry(l, struct node, link), now_ms);
    if (due) {
        due->under_way = 1;
        due->node->under_way++;
        list_del(&due->link);
        list_push_back(&due->node->entries, &due->link);
    }
    pthread_mutex_unlock(&rs->mu);
    return due;
}

/* Takes an entry off whose time has passed, and a copy of its node's URL. NULL: there is none. */
static struct retry *next_late_locked(struct retry_list *rs, uint64_t now_ms, char **url)
{
    struct list *l, *e;

    list_each (l, &rs->nodes) {
        list_each (e, &list_entry(l, struct node, link)->entries) {
            struct retry *p = list_entry(e, struct retry, link);

            if (p->under_way || p->until_ms > now_ms)
                continue;
            *url = mem_strdup(p->node->url);
            remove_locked(p);
            return p;
        }
    }
    return NULL;
}

static void give_up_late(struct retry_list *rs, uint64_t now_ms)
{
    struct retry *p;
    char *url;

    if (now_ms < rs->late_ms)
        return;
    rs->late_ms = now_ms + LATE_MS;
    do {
        pthread_mutex_lock(&rs->mu);
        p = next_late_locked(rs, now_ms, &url);
        pthread_mutex_unlock(&rs->mu);
        if (p) {
            give_up(p, url);
            mem_free(url);
        }
    } while (p);
}

void retry_tick(struct retry_list *rs, uint64_t now_ms)
{
    struct retry *p;

    while ((p = next_due(rs, now_ms)))
        tell_again(p);
    give_up_late(rs, now_ms);
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
    list_init(&rs->nodes);
    return rs;
}

void retry_list_free(struct retry_list *rs)
{
    while (!list_empty(&rs->nodes)) {
        struct node *n = list_entry(rs->nodes.next, struct node, link);
        struct retry *p = list_entry(n->entries.next, struct retry, link);

        remove_locked(p);
        retry_free(p);
    }
    pthread_mutex_destroy(&rs->mu);
    mem_free(rs);
}
