/* SPDX-License-Identifier: MIT */
/* peers_each.c - what a node shows of its peers. */
#include <string.h>

#include "peer/peer_in.h"

/* If the ring of a peer differs from ours, writes how. Returns what is known of it. */
static const char *view_of(struct peers *p, struct peer *peer, char why[OUTLINE_WHY])
{
    static const char *const names[] = {"unknown", "same", "differs"};
    enum agree_state state;
    char text[OUTLINE_TEXT];

    pthread_mutex_lock(&p->agree_mu);
    state = atomic_load(&peer->agree.state);
    memcpy(text, peer->agree.text, sizeof(text));
    pthread_mutex_unlock(&p->agree_mu);
    if (state == AGREE_DIFFERS)
        outline_explain(p->view.text, text, why);
    return names[state];
}

void peers_each(struct peers *p, void (*fn)(void *arg, const struct peer_stats *s), void *arg)
{
    size_t i;

    pthread_rwlock_rdlock(&p->lock);
    for (i = 0; i < p->view.n; i++) {
        struct peer *peer = p->view.list[i];
        char why[OUTLINE_WHY] = "";
        const char *view = view_of(p, peer, why);
        enum health_state state = atomic_load(&peer->state);
        struct peer_stats s = {.url = peer->url,
                               .self = peer->self,
                               .loads = atomic_load(&peer->loads),
                               .errors = atomic_load(&peer->errors),
                               .batches = atomic_load(&peer->batches),
                               .ours = atomic_load(&peer->kind) == PEER_OURS,
                               .state = health_state_name(state),
                               .up = peer->self || peers_is_usable(peer),
                               .share = p->view.shares[i],
                               .ejections = atomic_load(&peer->ejections),
                               .hedges = atomic_load(&peer->hedges),
                               .view = view,
                               .disagrees = *why != '\0',
                               .differs = *why ? why : NULL};

        s.is_in[state] = 1;
        fn(arg, &s);
    }
    pthread_rwlock_unlock(&p->lock);
}
