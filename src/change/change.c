/* SPDX-License-Identifier: MIT */
/* change.c - a change in two steps: the owners, then all nodes.
 *
 *   set, remove   1 each key's owner: a set puts the value there
 *                 2 all others remove the keys
 *   flush, tags   1 every node, since each owns some keys
 *                 2 every node again: it may have fetched a value from a late node
 *
 * If nodes have different rings, or change their lists meanwhile, both steps are made again
 * (rounds.c).
 *
 * A step ends with its last exchange; the thread that ends it starts the next step. A node that
 * fails is noted and told again later (retry.c). */
#include "change/change.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "cache/group.h"
#include "change/greet.h"
#include "change/keys.h"
#include "change/retry.h"
#include "change/rounds.h"
#include "change/senders.h"
#include "peer/peer_in.h"

struct changes {
    struct peers *(*peers_of)(const struct group *g); /* set once */
    struct retry_list *retries;                       /* set once */
    struct greet_list *greetings;                     /* set once */
    struct senders senders;                           /* set once */
};

/* A node that did not confirm. */
struct unconfirmed {
    struct unconfirmed *next;
    struct peer *peer; /* a reference */
    int owner;         /* in the first step: others may have fetched the value from it since */
    int hopeless;      /* telling it again is useless */
    struct error why;
};

struct change {
    struct changes *changes; /* set once, like all down to ctx */
    struct group *group;     /* a reference */
    struct peers *peers;     /* borrowed */
    int alone;               /* no other node exists */
    enum batch_op op;
    int everyone; /* each step tells every node: a flush, or a removal of tags */
    struct keys keys;
    char *value;
    size_t value_len;
    char *extra; /* in value's memory */
    size_t extra_len;
    int has_ttl;
    uint64_t ttl_ms;
    uint64_t until_ms; /* both steps */
    void (*done)(void *ctx, const struct change_result *r);
    void *ctx;

    struct rounds rounds;
    int step;            /* the thread that starts the step writes it, like here and owner */
    int ours_only;       /* only nodes of ours are told */
    int here;            /* by the ring of step 1 this node owns the only key, and has done it */
    struct peer *owner;  /* another node owns it: a reference, or NULL */
    _Atomic size_t left; /* atomic: the step's current exchanges, and its start */
    pthread_mutex_t mu;
    struct error err; /* guarded by mu while a step is under way, like all that follows */
    struct unconfirmed *unconfirmed; /* newest first */
    size_t n_unconfirmed;
};

/* One node that is told, in one step. */
struct exchange {
    struct change *change;
    struct peer *peer; /* a reference */
};

/* --- the end --- */

static void note_unconfirmed(struct change *c, const struct exchange *t, enum err code,
                             const char *text)
{
    struct unconfirmed *m;

    pthread_mutex_lock(&c->mu);
    for (m = c->unconfirmed; m && m->peer != t->peer; m = m->next)
        ;
    if (!m) {
        m = mem_zalloc(sizeof(*m));
        m->peer = peer_ref(t->peer);
        m->owner = c->step == 1;
        m->hopeless = code == ERR_INVAL;
        error_set(&m->why, code, "%s", text);
        m->next = c->unconfirmed;
        c->unconfirmed = m;
        c->n_unconfirmed++;
    }
    pthread_mutex_unlock(&c->mu);
}

static void note_error(struct change *c, enum err code, const char *text)
{
    pthread_mutex_lock(&c->mu);
    if (!c->err.code)
        error_set(&c->err, code, "%s", text);
    pthread_mutex_unlock(&c->mu);
}

static void change_free(struct change *c)
{
    struct unconfirmed *m;

    while ((m = c->unconfirmed)) {
        c->unconfirmed = m->next;
        peer_unref(m->peer);
        mem_free(m);
    }
    rounds_deinit(&c->rounds);
    peer_unref(c->owner);
    pthread_mutex_destroy(&c->mu);
    keys_free(&c->keys);
    mem_free(c->value);
    group_unref(c->group);
    mem_free(c);
}

static void tell_caller(struct change *c)
{
    const char **urls = mem_zalloc((c->n_unconfirmed + 1) * sizeof(*urls));
    struct change_result r = {
        .err = c->err, .unconfirmed = urls, .n_unconfirmed = c->n_unconfirmed};
    const struct unconfirmed *m;
    size_t i = c->n_unconfirmed;

    for (m = c->unconfirmed; m; m = m->next)
        urls[--i] = m->peer->url;
    if (!r.err.code && c->unconfirmed)
        error_set(&r.err, ERR_PEER, "group %s: %zu %s not confirm, the first is %s: %s",
                  group_name(c->group), c->n_unconfirmed,
                  c->n_unconfirmed == 1 ? "node did" : "nodes did", c->unconfirmed->peer->url,
                  c->unconfirmed->why.msg);
    c->done(c->ctx, &r);
    mem_free(urls);
}

static void change_ends(struct change *c)
{
    const struct unconfirmed *m;

    for (m = c->unconfirmed; m; m = m->next) {
        const struct retry_what what = {c->group, m->peer->url, c->op, &c->keys, m->owner};

        if (!m->hopeless)
            retry_add(c->changes->retries, &what);
    }
    if (c->done)
        tell_caller(c);
    change_free(c);
}

/* --- steps --- */

static void next_step(struct change *c);

static void over(struct change *c)
{
    if (atomic_fetch_sub_explicit(&c->left, 1, memory_order_acq_rel) == 1)
        next_step(c);
}

static void exchange_done(void *ctx, enum err code, const char *text)
{
    struct exchange *t = ctx;
    struct change *c = t->change;

    int refused = c->op == BATCH_SET && c->step == 1 && (code == ERR_TOOBIG || code == ERR_NOMEM);

    if (refused || code == ERR_CLOSED)
        note_error(c, code, text);
    if (code && !refused &&
        !rounds_has_left(&c->rounds, t->peer)) /* else step 2 tells it to remove the key */
        note_unconfirmed(c, t, code, text);
    peer_unref(t->peer);
    mem_free(t);
    over(c);
}

static void exchange_ring(void *ctx, const struct tell_ring *r)
{
    struct exchange *t = ctx;
    struct change *c = t->change;
    struct tell_ring heard = *r;

    if (c->step == 1 && !c->everyone)
        heard.stood_in_ms = UINT64_MAX; /* as the owner of its keys it stands in for no other */
    rounds_heard(&c->rounds, t->peer, &heard);
}

/* Whether no other node owns keys or has copies. */
static int is_alone(const struct change *c)
{
    size_t n, i;
    struct peer **list = peers_list(c->peers, &n);

    for (i = 0; i < n; i++)
        peer_unref(list[i]);
    mem_free(list);
    return n <= 1 || group_opts(c->group).local_only;
}

/* Begins another round of both steps. */
static void begin_round(struct change *c)
{
    rounds_begin(&c->rounds);
    c->alone = is_alone(c);
    c->step = c->here = 0;
    peer_unref(c->owner);
    c->owner = NULL;
}

/* The time has ended before the rings have settled. A node of another ring counts as unconfirmed:
 * it is told again later, and all others after it. */
static void note_unsettled(struct change *c)
{
    struct exchange t = {c, rounds_unsettled(&c->rounds)};

    if (t.peer && !c->unconfirmed) {
        c->step = 1;
        note_unconfirmed(
            c, &t, ERR_PEER,
            "its ring is another one or has just changed, or it stands in for an owner");
    }
    peer_unref(t.peer);
}

/* The time for the step that begins. The first step has half of it, else a silent owner would leave
 * no time for the others. */
static uint64_t step_ms(const struct change *c)
{
    uint64_t now = clock_ms(), left = c->until_ms > now ? c->until_ms - now : 0;

    return (c->step == 1 ? left / 2 : left) + 1;
}

static void tell(struct change *c, struct peer *peer, const struct batch_request *what)
{
    struct exchange *t = mem_zalloc(sizeof(*t));
    const struct tell_opts o = {
        .group = c->group,
        .what = what,
        .timeout_ms = step_ms(c),
        .done = exchange_done,
        .ring = exchange_ring,
        .ctx = t,
    };

    *t = (struct exchange){c, peer_ref(peer)};
    atomic_fetch_add_explicit(&c->left, 1, memory_order_relaxed);
    peer_tell(peer, &o);
}

/* Makes this node's own change of a key. */
static void change_here(struct change *c, const struct key *key, int owner)
{
    const struct key_ref k = group_key(key->bytes, key->n);
    double ttl = (double)c->ttl_ms;
    const struct given v = {.bytes = c->value,
                            .n = c->value_len,
                            .ttl_ms = c->has_ttl ? &ttl : NULL,
                            .extra = c->extra,
                            .extra_len = c->extra_len};

    if (c->op == BATCH_SET && owner)
        group_change_given(c->group, &k, &v, &c->err);
    else
        group_remove(c->group, &k);
}

/* Tells the owner of keys[first] of all its keys. Takes their owners[i]. */
static void tell_owner(struct change *c, struct peer **owners, size_t first)
{
    struct batch_request what = {.op = c->op,
                                 .value = c->value,
                                 .value_len = c->value_len,
                                 .has_ttl = c->has_ttl,
                                 .ttl_ms = c->ttl_ms,
                                 .extra = c->extra,
                                 .extra_len = c->extra_len};
    struct peer *peer = owners[first];
    size_t i;

    what.keys = mem_zalloc(c->keys.n * sizeof(*what.keys));
    for (i = first; i < c->keys.n; i++) {
        if (owners[i] != peer)
            continue;
        what.keys[what.n_keys++] = c->keys.list[i];
        owners[i] = NULL;
        if (i != first)
            peer_unref(peer);
    }
    tell(c, peer, &what);
    mem_free(what.keys);
    peer_unref(peer);
}

static void step_owners(struct change *c)
{
    struct peer **owners = mem_zalloc((c->keys.n + 1) * sizeof(*owners));
    size_t i;

    for (i = 0; i < c->keys.n; i++) {
        const struct key *key = &c->keys.list[i];

        owners[i] = c->alone ? NULL : peers_place(c->peers, key->bytes, key->n);
        if (owners[i] && !owners[i]->self) {
            c->owner = c->keys.n == 1 ? peer_ref(owners[i]) : NULL;
            continue;
        }
        peer_unref(owners[i]);
        owners[i] = NULL;
        c->here = c->keys.n == 1;
        change_here(c, key, 1);
    }
    for (i = 0; i < c->keys.n; i++) {
        if (owners[i])
            tell_owner(c, owners, i);
    }
    mem_free(owners);
}

static int is_told(const struct change *c, const struct peer *peer)
{
    return !c->ours_only || atomic_load(&peer->kind) != PEER_OTHER;
}

/* Those that the answers of this round add are told in the next one. */
static void tell_strangers(struct change *c, const struct batch_request *what)
{
    size_t i, n;
    struct peer **list = rounds_strangers(&c->rounds, &n);

    for (i = 0; i < n; i++) {
        tell(c, list[i], what);
        peer_unref(list[i]);
    }
    mem_free(list);
}

static void step_everyone(struct change *c)
{
    struct batch_request what = {.op = c->op == BATCH_FLUSH ? BATCH_FLUSH : BATCH_REMOVE,
                                 .keys = c->keys.list,
                                 .n_keys = c->keys.n};
    const struct peer *through = c->err.code ? NULL : c->owner; /* it refused a value: removes it */
    struct peer **list;
    size_t i, n;

    list = peers_list(c->peers, &n);
    if (c->op == BATCH_FLUSH)
        group_flush(c->group);
    for (i = 0; i < c->keys.n && !c->here; i++)
        change_here(c, &c->keys.list[i], 0);
    for (i = 0; i < n; i++) {
        if (!list[i]->self && list[i] != through && is_told(c, list[i]))
            tell(c, list[i], &what);
        peer_unref(list[i]);
    }
    mem_free(list);
    if (!c->ours_only)
        tell_strangers(c, &what);
}

/* 1: the last round has ended. */
static int is_over(struct change *c)
{
    if (rounds_are_enough(&c->rounds, c->alone, c->unconfirmed != NULL))
        return 1;
    if (clock_ms() < c->until_ms)
        return 0;
    note_unsettled(c);
    return 1;
}

static void next_step(struct change *c)
{
    if (c->step == (c->alone ? 1 : 2)) {
        if (is_over(c)) {
            change_ends(c);
            return;
        }
        begin_round(c);
    }
    c->step++;
    atomic_store(&c->left, 1); /* ours: the step does not end before all nodes are told */
    if (c->alone && c->op == BATCH_FLUSH)
        group_flush(c->group);
    else if (c->step == 1 && (c->alone || !c->everyone))
        step_owners(c);
    else
        step_everyone(c);
    over(c);
}

/* --- the start --- */

/* NULL: no memory for the keys. */
static struct change *change_new(struct changes *cs, struct group *g, enum batch_op op,
                                 const struct key *keys, size_t n_keys)
{
    struct change *c = mem_zalloc(sizeof(*c));

    c->changes = cs;
    c->group = group_ref(g);
    c->op = op;
    c->everyone = op == BATCH_FLUSH;
    c->until_ms = clock_ms() + group_opts(g).timeout_ms;
    c->peers = cs->peers_of(g);
    pthread_mutex_init(&c->mu, NULL);
    rounds_init(&c->rounds, c->peers);
    c->alone = is_alone(c);
    if (!keys_copy(&c->keys, keys, n_keys))
        return c;
    change_free(c);
    return NULL;
}

/* A large value is not there twice, then. */
static int may_take(const struct change_opts *o)
{
    return o->owned && *o->owned && *o->owned == o->value && !o->extra_len;
}

/* The value and its extras behind it, or NULL. */
static char *copied(const struct change_opts *o)
{
    char *bytes = mem_alloc(o->value_len + o->extra_len);

    if (bytes && o->value_len)
        memcpy(bytes, o->value, o->value_len);
    if (bytes && o->extra_len)
        memcpy(bytes + o->value_len, o->extra, o->extra_len);
    return bytes;
}

/* Takes the value of a set, or turns the set into a removal: the old value must be removed in any
 * case. */
static void take_value(struct change *c, const struct change_opts *o)
{
    uint64_t max = group_opts(o->group).max_value_bytes;

    if (o->ttl_ms && !(*o->ttl_ms > 0)) {
        c->op = BATCH_REMOVE; /* would expire at once */
        return;
    }
    if (o->value_len > max)
        error_set(&c->err, ERR_TOOBIG, "group %s: the value has %zu bytes, max_value_bytes is %llu",
                  group_name(o->group), o->value_len, (unsigned long long)max);
    else if (may_take(o)) {
        c->value = *o->owned;
        *o->owned = NULL;
    } else if (!(c->value = copied(o)))
        error_set(&c->err, ERR_NOMEM, "no memory for a value of %zu bytes", o->value_len);
    if (c->err.code) {
        c->op = BATCH_REMOVE;
        return;
    }
    c->value_len = o->value_len;
    c->extra = c->value + c->value_len;
    c->extra_len = o->extra_len;
    c->has_ttl = o->ttl_ms != NULL;
    c->ttl_ms = c->has_ttl ? group_keep_whole_ms(*o->ttl_ms) : 0;
}

static void refuse(const struct change_opts *o, enum err code, const char *why)
{
    struct change_result r = {.n_unconfirmed = 0};

    error_set(&r.err, code, "group %s: %s", group_name(o->group), why);
    o->done(o->ctx, &r);
}

void change_start(struct changes *cs, const struct change_opts *o)
{
    struct change *c;

    if (group_is_closed(o->group)) {
        refuse(o, ERR_CLOSED, "closed: the node is stopping, or a reload removed the group");
        return;
    }
    c = change_new(cs, o->group, o->op, o->keys, o->n_keys);
    if (!c) {
        refuse(o, ERR_NOMEM, "no memory for the keys");
        return;
    }
    c->done = o->done;
    c->ctx = o->ctx;
    c->everyone |= o->tags;
    if (o->op == BATCH_SET)
        take_value(c, o);
    next_step(c);
}

/* Only the second step: a late owner has confirmed. */
static void change_again(void *ctx, struct group *g, enum batch_op op, const struct keys *keys)
{
    struct changes *cs = ctx;
    struct change *c = change_new(cs, g, op, keys->list, keys->n);

    if (!c) /* removing more can only cost loads */
        c = change_new(cs, g, BATCH_FLUSH, NULL, 0);
    c->step = 1; /* the owner has confirmed */
    next_step(c);
}

void change_heard(struct changes *cs, struct group *g, const struct key *key)
{
    struct peer *owner = peers_place(cs->peers_of(g), key->bytes, key->n);
    struct change *c = owner && owner->self ? change_new(cs, g, BATCH_REMOVE, key, 1) : NULL;

    peer_unref(owner);
    if (!c)
        return;
    c->step = 1; /* the owner has changed */
    c->here = 1;
    c->ours_only = 1;
    next_step(c);
}

/* --- all changes of a node --- */

enum err changes_check_sender(struct changes *cs, struct group *g, const struct address *from,
                              struct error *e)
{
    return senders_check(&cs->senders, cs->peers_of(g), from, e);
}

enum err changes_check(const struct changes_opts *o, struct error *e)
{
    struct senders s;
    enum err failed = senders_parse(&s, o->peer_changes, e);

    senders_deinit(&s);
    return failed;
}

struct changes *changes_new(const struct changes_opts *o,
                            struct peers *(*peers_of)(const struct group *g), struct error *e)
{
    struct changes *cs = mem_zalloc(sizeof(*cs));

    if (senders_parse(&cs->senders, o->peer_changes, e)) {
        senders_deinit(&cs->senders);
        mem_free(cs);
        return NULL;
    }
    if (cs->senders.open)
        log_warn("node", "every address may change values as a node does", "peer_changes=\"%s\"",
                 o->peer_changes);
    cs->peers_of = peers_of;
    cs->greetings = greet_list_new(peers_of);
    cs->retries = retry_list_new(peers_of, change_again, cs);
    return cs;
}

void changes_tick(struct changes *cs, uint64_t now_ms)
{
    retry_tick(cs->retries, now_ms);
    greet_tick(cs->greetings, now_ms);
}

void changes_greet(struct changes *cs, struct groups *groups, struct peer *peer, uint64_t since_ms)
{
    greet(cs->greetings, groups, peer, since_ms);
}

size_t changes_unconfirmed(struct changes *cs)
{
    return retry_count(cs->retries);
}

void changes_free(struct changes *cs)
{
    if (!cs)
        return;
    greet_list_free(cs->greetings);
    retry_list_free(cs->retries);
    senders_deinit(&cs->senders);
    mem_free(cs);
}
