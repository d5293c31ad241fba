/* SPDX-License-Identifier: MIT */
/* agree.c - which nodes have another ring, and when the log tells of it. */
#include "peer/agree.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "peer/peer_in.h"
#include "peer/view.h"

static void own_text(struct peers *p, char out[OUTLINE_TEXT])
{
    pthread_rwlock_rdlock(&p->lock);
    memcpy(out, p->view.text, OUTLINE_TEXT);
    pthread_rwlock_unlock(&p->lock);
}

void agree_put(struct peers *p, char line[AGREE_LINE])
{
    static const char name[] = HEADER_VIEW ": ";

    memcpy(line, name, sizeof(name) - 1);
    own_text(p, line + sizeof(name) - 1);
}

static void tell(const char *url, const char *note, const char *ours, const struct agree *a)
{
    char quoted[2 * AGREE_STRANGER], why[OUTLINE_WHY];

    outline_explain(ours, a->text, why);
    log_warn("peers", "nodes have different rings, so keys have more than one owner",
             "peer=%s%s differs=\"%s\" for_ms=%llu",
             log_quote(quoted, sizeof(quoted), url, strlen(url)), note, why,
             (unsigned long long)(clock_ms() - a->since_ms));
}

/* Under agree_mu. 1: the log is to tell of it now. */
static int note_locked(struct peers *p, struct agree *a, const char *text)
{
    if (atomic_load(&a->state) != AGREE_DIFFERS) {
        if (a->lists)
            atomic_fetch_add(&p->differing, 1);
        a->since_ms = clock_ms();
        a->told = 0;
        atomic_store(&a->state, AGREE_DIFFERS);
    }
    snprintf(a->text, sizeof(a->text), "%s", text);
    if (a->told || clock_ms() < a->since_ms + AGREE_PATIENCE_MS)
        return 0;
    return a->told = 1;
}

/* `note` is for the log. */
static void differs(struct peers *p, struct agree *a, const char *url, const char *note,
                    const char *ours, const char *text)
{
    struct agree copy;
    int now;

    pthread_mutex_lock(&p->agree_mu);
    now = note_locked(p, a, text);
    copy.since_ms = a->since_ms;
    memcpy(copy.text, a->text, sizeof(copy.text));
    pthread_mutex_unlock(&p->agree_mu);
    if (now)
        tell(url, note, ours, &copy);
}

static void agrees(struct peer *peer)
{
    struct agree *a = &peer->agree;
    int told;

    if (atomic_load_explicit(&a->state, memory_order_relaxed) == AGREE_SAME)
        return;
    pthread_mutex_lock(&peer->peers->agree_mu);
    told = a->told;
    a->told = 0;
    if (a->lists && atomic_load(&a->state) == AGREE_DIFFERS)
        atomic_fetch_sub(&peer->peers->differing, 1);
    atomic_store(&a->state, AGREE_SAME);
    pthread_mutex_unlock(&peer->peers->agree_mu);
    if (told)
        log_info("peers", "nodes have the same ring again", "peer=%s", peer->url);
}

void agree_answered(struct peer *peer, const char *text)
{
    char ours[OUTLINE_TEXT];

    if (!text) {
        agrees(peer);
        return;
    }
    own_text(peer->peers, ours);
    if (strcmp(ours, text) != 0) /* else the list has changed meanwhile */
        differs(peer->peers, &peer->agree, peer->url, "", ours, text);
}

/* The listed peer of that URL, a reference, or NULL. */
static struct peer *find(struct peers *p, const char *url)
{
    struct peer *found;

    pthread_rwlock_rdlock(&p->lock);
    found = view_find(&p->view, url);
    if (found)
        peer_ref(found);
    pthread_rwlock_unlock(&p->lock);
    return found;
}

/* Only the last of such nodes is remembered. */
static void differs_unlisted(struct peers *p, const char *from, const char *ours, const char *text)
{
    char url[AGREE_STRANGER];

    snprintf(url, sizeof(url), "%s", from);
    pthread_mutex_lock(&p->agree_mu);
    if (strcmp(p->stranger_url, url) != 0) {
        memcpy(p->stranger_url, url, sizeof(url));
        atomic_store(&p->stranger.state, AGREE_UNKNOWN);
    }
    pthread_mutex_unlock(&p->agree_mu);
    differs(p, &p->stranger, url, " listed=no", ours, text);
}

int agree_asked(struct peers *p, const char *from, const char *text, char own[OUTLINE_TEXT])
{
    struct peer *peer;

    int same;

    own_text(p, own);
    same = strcmp(own, text) == 0;
    if (same && !atomic_load_explicit(&p->differing, memory_order_relaxed))
        return 0;
    peer = from ? find(p, from) : NULL;
    if (peer && same)
        agrees(peer);
    else if (peer)
        differs(p, &peer->agree, peer->url, "", own, text);
    else if (from && !same)
        differs_unlisted(p, from, own, text);
    peer_unref(peer);
    return !same;
}
