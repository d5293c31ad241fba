/* SPDX-License-Identifier: MIT */
/* greet.c - a greeting is a list of batches, one a group, which are told one after the other. */
#include "change/greet.h"

#include <pthread.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "cache/group.h"
#include "cache/groups.h"
#include "change/keys.h"
#include "peer/peer_in.h"
#include "wire/batch.h"

enum {
    EXCHANGE_MS = 2000,
    AGAIN_MS = 200,
    MOST_REFUSALS = 5 /* then it is admitted: it takes no changes of ours at all */
};

struct greet_list {
    struct peers *(*peers_of)(const struct group *g); /* set once */
    pthread_mutex_t mu;
    struct list all; /* guarded by mu: struct greeting, each waiting for its next try */
};

/* A batch of one group. */
struct news {
    struct list link;
    struct group *group; /* a reference */
    enum batch_op op;    /* BATCH_REMOVE or BATCH_FLUSH */
    struct keys keys;
};

/* Whoever has taken it off the list owns it. */
struct greeting {
    struct list link;
    struct greet_list *list;
    struct peer *peer; /* a reference */
    uint64_t since_ms, next_ms;
    uint64_t began_real_ms;
    unsigned refusals;
    struct list news; /* the first is told now, or next */
};

static void news_free(struct news *n)
{
    keys_free(&n->keys);
    group_unref(n->group);
    mem_free(n);
}

static void greeting_free(struct greeting *w)
{
    struct list *l;

    while ((l = list_pop_front(&w->news)))
        news_free(list_entry(l, struct news, link));
    peer_unref(w->peer);
    mem_free(w);
}

static void wait_a_while(struct greeting *w)
{
    struct greet_list *gs = w->list;

    w->next_ms = clock_ms() + AGAIN_MS;
    pthread_mutex_lock(&gs->mu);
    list_push_back(&gs->all, &w->link);
    pthread_mutex_unlock(&gs->mu);
}

static void go_on(struct greeting *w);

static void told(void *ctx, enum err code, const char *text)
{
    struct greeting *w = ctx;
    char quoted[320];

    if (!code || code == ERR_INVAL) {
        news_free(list_entry(list_pop_front(&w->news), struct news, link));
        go_on(w);
    } else if (code == ERR_CLOSED) {
        greeting_free(w);
    } else if (contact_was_lost(w->peer, w->began_real_ms) || ++w->refusals < MOST_REFUSALS) {
        wait_a_while(w);
    } else {
        log_warn("change", "a node that has joined takes no changes, it may have old values",
                 "peer=%s error=%s", w->peer->url,
                 log_quote(quoted, sizeof(quoted), text, strlen(text)));
        peers_admit(w->peer);
        greeting_free(w);
    }
}

/* Tells what is left. If the peer has left the list, nobody waits for that. */
static void go_on(struct greeting *w)
{
    struct news *n = list_empty(&w->news) ? NULL : list_entry(w->news.next, struct news, link);
    const struct batch_request what = {.op = n ? n->op : BATCH_FLUSH,
                                       .keys = n ? n->keys.list : NULL,
                                       .n_keys = n ? n->keys.n : 0};
    const struct tell_opts o = {.group = n ? n->group : NULL,
                                .what = &what,
                                .timeout_ms = EXCHANGE_MS,
                                .done = told,
                                .ctx = w};

    if (!n || !peers_have(w->peer->peers, w->peer)) {
        peers_admit(w->peer);
        greeting_free(w);
        return;
    }
    w->began_real_ms = clock_real_ms();
    peer_tell(w->peer, &o);
}

static void add_one(struct greeting *w, struct group *g, enum batch_op op, const struct key *keys,
                    size_t n_keys)
{
    struct news *n = mem_zalloc(sizeof(*n));

    n->group = group_ref(g);
    n->op = op;
    if (n_keys && keys_copy(&n->keys, keys, n_keys))
        n->op = BATCH_FLUSH;
    list_push_back(&w->news, &n->link);
}

/* The keys of a log (changelog_keys()), which point into it, in a list that the caller frees. */
static struct key *read_keys(const struct buf *log, size_t *n)
{
    struct key *list = mem_zalloc((log->len / sizeof(size_t) + 1) * sizeof(*list));
    size_t at;

    for (at = 0, *n = 0; at < log->len; ++*n) {
        struct key *k = &list[*n];

        memcpy(&k->n, log->data + at, sizeof(k->n));
        k->bytes = log->data + at + sizeof(k->n);
        at += sizeof(k->n) + k->n;
    }
    return list;
}

static void add_keys(struct greeting *w, struct group *g, const struct buf *log)
{
    size_t n, at, some;
    struct key *keys = read_keys(log, &n);

    for (at = 0; at < n; at += some) {
        some = n - at < BATCH_MAX_KEYS ? n - at : BATCH_MAX_KEYS;
        add_one(w, g, BATCH_REMOVE, keys + at, some);
    }
    mem_free(keys);
}

static void add_news(void *arg, struct group *g)
{
    struct greeting *w = arg;
    struct buf log;

    if (w->list->peers_of(g) != w->peer->peers || group_opts(g).local_only)
        return;
    buf_init(&log, 0);
    if (group_change_keys(g, w->since_ms, &log))
        add_keys(w, g, &log);
    else
        add_one(w, g, BATCH_FLUSH, NULL, 0);
    buf_deinit(&log);
}

void greet(struct greet_list *gs, struct groups *groups, struct peer *peer, uint64_t since_ms)
{
    struct greeting *w = mem_zalloc(sizeof(*w));

    w->list = gs;
    w->peer = peer_ref(peer);
    w->since_ms = since_ms;
    list_init(&w->news);
    groups_each(groups, add_news, w);
    go_on(w);
}

void greet_tick(struct greet_list *gs, uint64_t now_ms)
{
    struct list due, *l, *next;

    list_init(&due);
    pthread_mutex_lock(&gs->mu);
    list_each_safe (l, next, &gs->all) {
        if (list_entry(l, struct greeting, link)->next_ms > now_ms)
            continue;
        list_del(l);
        list_push_back(&due, l);
    }
    pthread_mutex_unlock(&gs->mu);
    while ((l = list_pop_front(&due)))
        go_on(list_entry(l, struct greeting, link));
}

struct greet_list *greet_list_new(struct peers *(*peers_of)(const struct group *g))
{
    struct greet_list *gs = mem_zalloc(sizeof(*gs));

    gs->peers_of = peers_of;
    pthread_mutex_init(&gs->mu, NULL);
    list_init(&gs->all);
    return gs;
}

void greet_list_free(struct greet_list *gs)
{
    struct list *l;

    if (!gs)
        return;
    while ((l = list_pop_front(&gs->all)))
        greeting_free(list_entry(l, struct greeting, link));
    pthread_mutex_destroy(&gs->mu);
    mem_free(gs);
}
