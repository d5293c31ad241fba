/* SPDX-License-Identifier: MIT */
/* contact.c - what all exchanges with a peer have in common.
 *
 * libcurl keeps the addresses of a name for a minute, for each lane. If a peer cannot be reached,
 * its name may have got a new address. From then on only addresses that were found after the
 * failure are used. */
#include "base/clock.h"
#include "net/fetch.h"
#include "peer/peer_in.h"

enum { NAME_MS = 60000 /* so long fetch.h keeps addresses by itself */ };

/* A question (health_watch.c) is about no group, and a group may have a list of its own. */
void contact_begin(struct peer *peer, struct fetch_opts *o, const char **headers,
                   char line[AGREE_LINE])
{
    struct peers *p = peer->peers;
    uint64_t lost = atomic_load_explicit(&peer->lost_ms, memory_order_relaxed);
    uint64_t ago = lost ? clock_real_ms() - lost : NAME_MS;

    headers[o->n_headers++] = p->from;
    if (o->lane != NET_CHECKS) {
        agree_put(p, line);
        headers[o->n_headers++] = line;
    }
    o->headers = headers;
    o->identity = 1;
    o->connect_timeout_ms = p->opts.connect_timeout_ms;
    o->name_ms = ago < NAME_MS ? ago + 1 : 0;
}

void contact_lost(struct peer *peer)
{
    atomic_store(&peer->lost_ms, clock_real_ms());
}

int contact_was_lost(const struct peer *peer, uint64_t after_ms)
{
    return atomic_load(&peer->lost_ms) >= after_ms;
}

void contact_end(struct peer *peer, struct fetch *f)
{
    const char *view;

    if (fetch_unreached(f))
        contact_lost(peer);
    if (fetch_phase(f) != FETCH_ANSWERED)
        return;
    view = fetch_header(f, HEADER_VIEW);
    if (view || fetch_header(f, HEADER_NODE))
        agree_answered(peer, view);
}
