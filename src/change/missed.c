/* SPDX-License-Identifier: MIT */
#include "change/missed.h"

#include <pthread.h>

#include "base/clock.h"
#include "base/gate.h"
#include "base/log.h"
#include "base/mem.h"
#include "cache/group.h"
#include "peer/peer_in.h"
#include "wire/batch.h"
#include "wire/since.h"

struct missed {
    struct gate gate; /* open when all have answered */
    pthread_mutex_t mu;
    struct buf names; /* guarded by mu, like all that follows */
    unsigned witnesses;
    size_t left; /* peers that have not answered; one more while they are asked */
};

static void ended(struct missed *m)
{
    size_t left;

    pthread_mutex_lock(&m->mu);
    left = --m->left;
    pthread_mutex_unlock(&m->mu);
    if (!left)
        gate_open(&m->gate);
}

/* The network thread. */
static void answered(void *ctx, const void *body, size_t n)
{
    struct missed *m = ctx;
    const char *names;
    size_t n_names;
    int complete = since_get(body, n, &names, &n_names);

    pthread_mutex_lock(&m->mu);
    if (!buf_put(&m->names, names, n_names * SINCE_NAME_BYTES))
        m->witnesses += complete ? 1 : 0;
    pthread_mutex_unlock(&m->mu);
}

static void done(void *ctx, enum err code, const char *text)
{
    if (code)
        log_debug("snapshot", "a peer does not say what was changed", "error=\"%s\"", text);
    ended(ctx);
}

static void ask(struct missed *m, struct group *g, struct peer *peer, uint64_t age_ms,
                uint64_t wait_ms)
{
    const struct batch_request what = {
        .op = BATCH_RECENT, .value = "", .has_ttl = 1, .ttl_ms = age_ms};
    const struct tell_opts o = {.group = g,
                                .what = &what,
                                .timeout_ms = wait_ms,
                                .done = done,
                                .answer = answered,
                                .ctx = m};

    pthread_mutex_lock(&m->mu);
    m->left++;
    pthread_mutex_unlock(&m->mu);
    peer_tell(peer, &o);
}

struct missed *missed_ask(struct group *g, struct peers *peers, uint64_t age_ms, uint64_t wait_ms)
{
    struct missed *m = mem_zalloc(sizeof(*m));
    struct peer **list;
    size_t n;

    gate_init(&m->gate);
    pthread_mutex_init(&m->mu, NULL);
    buf_init(&m->names, 0);
    m->left = 1;
    list = peers_list(peers, &n);
    while (n) {
        struct peer *peer = list[--n];

        if (!peer->self && !group_opts(g).local_only)
            ask(m, g, peer, age_ms, wait_ms);
        peer_unref(peer);
    }
    mem_free(list);
    ended(m);
    return m;
}

unsigned missed_wait(struct missed *m, struct buf *names)
{
    unsigned witnesses;

    gate_wait(&m->gate, GATE_FOR_EVER); /* each exchange has a bound */
    witnesses = buf_put(names, m->names.data, m->names.len) ? 0 : m->witnesses;
    buf_deinit(&m->names);
    pthread_mutex_destroy(&m->mu);
    gate_deinit(&m->gate);
    mem_free(m);
    return witnesses;
}

int missed_is_alone(struct group *g, struct peers *peers)
{
    struct peer **list;
    size_t n, i;

    list = peers_list(peers, &n);
    for (i = 0; i < n; i++)
        peer_unref(list[i]);
    mem_free(list);
    return n <= 1 || group_opts(g).local_only;
}
