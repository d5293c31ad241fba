/* SPDX-License-Identifier: MIT */
#include "peer/health.h"

#include <string.h>

#include "base/random.h"

enum {
    MOST_SILENCES = 2,
    MOST_BROKEN = 2,
    MOST_OF_SILENCE = 3,
    MOST_LEVEL = 5,   /* 2^5 s is above the longest pause */
    JITTER_SHARE = 5, /* a fifth */
    QUICK_PROBES = 1,
    TOOK_ENOUGH = 32, /* times, before they say something */
    TOOK_MOST = 1024, /* then all counts are halved: old times fade */
    PATIENCE_FACTOR = 3,
    SHARE = 4 /* of the time of a load, at most, for the patience; of its age, between questions */
};

/* Upper ends of the buckets of times. The last has no end. */
static const uint16_t bucket_ms[HEALTH_BUCKETS - 1] = {1,  2,  3,  4,  6,  8,   11,  16,
                                                       23, 32, 45, 64, 91, 128, 200, 333};

void health_init(struct health *h, uint64_t seed, uint64_t now_ms)
{
    memset(h, 0, sizeof(*h));
    h->why = "";
    h->fine_ms = now_ms;
    h->random = seed | 1;
}

static void enter(struct health *h, enum health_state state, const char *why)
{
    h->state = state;
    h->why = why;
}

/* Each calm time in use makes up for an ejection. */
static void calm_down(struct health *h, uint64_t now_ms)
{
    uint64_t calm = now_ms > h->fine_ms ? (now_ms - h->fine_ms) / HEALTH_CALM_MS : 0;

    h->level -= (unsigned)(calm < h->level ? calm : h->level);
}

static void pause(struct health *h, uint64_t now_ms)
{
    uint64_t ms = (uint64_t)HEALTH_PAUSE_MS << h->level;

    if (ms > HEALTH_PAUSE_MAX_MS)
        ms = HEALTH_PAUSE_MAX_MS;
    h->until_ms = now_ms + ms + random_below(&h->random, ms / JITTER_SHARE);
}

static void eject(struct health *h, unsigned probes, const char *why, uint64_t now_ms)
{
    if (h->state != HEALTH_PROBING) {
        calm_down(h, now_ms);
        h->needed = h->level ? HEALTH_PROBES : probes;
    } else if (probes > h->needed) {
        h->needed = probes;
    }
    pause(h, now_ms);
    h->level += h->level < MOST_LEVEL;
    h->unready = 0;
    enter(h, HEALTH_EJECTED, why);
}

/* The first failure of its kind makes the peer suspect. 1: it is one too many. */
static int fail(struct health *h, unsigned n, unsigned most, const char *why)
{
    if (n < most)
        enter(h, HEALTH_SUSPECT, why);
    return n >= most;
}

static void recover(struct health *h, const char *why)
{
    if (h->state == HEALTH_SUSPECT && !h->silences && !h->broken)
        enter(h, HEALTH_FINE, why);
}

/* It says so itself: no reason for a longer pause. */
static void unready(struct health *h, uint64_t now_ms)
{
    if (health_is_in_use(h))
        h->needed = QUICK_PROBES;
    h->unready = 1;
    enter(h, HEALTH_EJECTED, "not ready");
    h->until_ms = now_ms + HEALTH_PAUSE_MS;
}

static void in_use(struct health *h, enum health_event event, uint64_t now_ms)
{
    switch (event) {
    case HEALTH_ANSWERED:
        h->silences = h->broken = 0;
        recover(h, "it answers");
        break;
    case HEALTH_ALIVE:
        h->silences = 0;
        recover(h, "it lives");
        break;
    case HEALTH_REFUSED:
        eject(h, QUICK_PROBES, "no connection", now_ms);
        break;
    case HEALTH_SILENT:
        if (fail(h, ++h->silences, MOST_SILENCES, "no sign of life"))
            eject(h, HEALTH_PROBES, "no sign of life", now_ms);
        break;
    case HEALTH_UNREADY:
        unready(h, now_ms);
        break;
    case HEALTH_BROKEN:
        if (fail(h, ++h->broken, MOST_BROKEN, "broken answers"))
            eject(h, QUICK_PROBES, "broken answers", now_ms);
        break;
    default:
        break;
    }
}

static void speak(struct health *h, uint64_t now_ms)
{
    h->heard_ms = now_ms;
    if (h->silent)
        h->spoke_ms = now_ms;
    h->silent = 0;
}

static void readmit(struct health *h, uint64_t now_ms)
{
    h->silences = h->broken = 0;
    h->fine_ms = now_ms;
    enter(h, HEALTH_FINE,
          h->needed > QUICK_PROBES ? "the probes were answered in time" : "the probe was answered");
}

static void probed(struct health *h, enum health_event event, uint64_t now_ms)
{
    switch (event) {
    case HEALTH_PROBED:
        speak(h, now_ms);
        h->until_ms = now_ms + HEALTH_PROBE_EACH_MS;
        if (++h->probes >= h->needed)
            readmit(h, now_ms);
        break;
    case HEALTH_LATE:
        speak(h, now_ms);
        eject(h, HEALTH_PROBES, "the probe was answered late", now_ms);
        break;
    case HEALTH_UNREADY:
        unready(h, now_ms);
        break;
    case HEALTH_UNANSWERED:
        eject(h, QUICK_PROBES, "the probe failed", now_ms);
        break;
    default:
        break;
    }
}

int health_event(struct health *h, enum health_event event, uint64_t now_ms)
{
    enum health_state was = h->state;

    if (health_is_in_use(h))
        in_use(h, event, now_ms);
    else if (h->state == HEALTH_PROBING)
        probed(h, event, now_ms);
    return h->state != was;
}

int health_probe_is_due(struct health *h, uint64_t now_ms)
{
    if (health_is_in_use(h) || now_ms < h->until_ms)
        return 0;
    if (h->state == HEALTH_EJECTED)
        h->probes = 0;
    else if (h->asking)
        return 0;
    h->until_ms = now_ms + HEALTH_PROBE_EACH_MS;
    enter(h, HEALTH_PROBING, "the pause has passed");
    return 1;
}

enum health_event health_probe_event(const struct health *h, uint64_t since_ms, uint64_t now_ms)
{
    uint64_t patience = health_patience_ms(h);
    uint64_t most = patience > HEALTH_PROBE_EACH_MS ? patience : HEALTH_PROBE_EACH_MS;

    return now_ms < since_ms + most ? HEALTH_PROBED : HEALTH_LATE;
}

int health_is_in_use(const struct health *h)
{
    return h->state == HEALTH_FINE || h->state == HEALTH_SUSPECT;
}

int health_is_usable(const struct health *h)
{
    return health_is_in_use(h) && !h->silent;
}

void health_took(struct health *h, uint64_t since_ms, uint64_t now_ms)
{
    uint64_t ms = now_ms > since_ms ? now_ms - since_ms : 0;
    unsigned i = 0;

    if ((h->silent || since_ms < h->spoke_ms) && h->of_silence++ >= MOST_OF_SILENCE)
        return;
    while (i < HEALTH_BUCKETS - 1 && ms > bucket_ms[i])
        i++;
    h->took[i]++;
    if (++h->n_took < TOOK_MOST)
        return;
    h->n_took = 0;
    for (i = 0; i < HEALTH_BUCKETS; i++)
        h->n_took += h->took[i] /= 2;
}

uint64_t health_patience_ms(const struct health *h)
{
    uint64_t seen = 0, ms;
    unsigned i;

    if (h->n_took < TOOK_ENOUGH)
        return HEALTH_PATIENCE_MAX_MS;
    for (i = 0; i < HEALTH_BUCKETS - 1; i++) {
        seen += h->took[i];
        if (seen * 100 >= (uint64_t)h->n_took * 99)
            break;
    }
    if (i == HEALTH_BUCKETS - 1)
        return HEALTH_PATIENCE_MAX_MS;
    ms = (uint64_t)PATIENCE_FACTOR * bucket_ms[i];
    if (ms > HEALTH_PATIENCE_MAX_MS)
        ms = HEALTH_PATIENCE_MAX_MS;
    return ms > HEALTH_PATIENCE_MIN_MS ? ms : HEALTH_PATIENCE_MIN_MS;
}

/* --- silence --- */

void health_asked(struct health *h, uint64_t now_ms)
{
    h->asked_ms = now_ms;
    h->asking++;
}

void health_question_ended(struct health *h)
{
    if (!--h->asking && health_is_in_use(h))
        h->silent = 0; /* else nobody would ask again */
}

int health_heard(struct health *h, uint64_t now_ms)
{
    speak(h, now_ms);
    return h->silences && health_event(h, HEALTH_ALIVE, now_ms);
}

/* Half of the patience. It leaves time for another node within the time of the load. */
static uint64_t half_ms(const struct health *h, const struct health_load *oldest)
{
    uint64_t patience = health_patience_ms(h), share = oldest ? oldest->time_ms / SHARE : patience;

    if (share < HEALTH_PATIENCE_MIN_MS)
        share = HEALTH_PATIENCE_MIN_MS;
    return (share < patience ? share : patience) / 2;
}

/* The last question has no answer yet, and nothing was heard since. */
static enum health_need look_at_question(struct health *h, uint64_t half, uint64_t now_ms,
                                         int *changed)
{
    uint64_t waited = now_ms - h->asked_ms;
    int first = !h->silent && waited >= half, second = h->silent && waited >= 3 * half;

    if (!first && !second)
        return h->silent ? HEALTH_HEDGE : HEALTH_WAIT;
    if (!h->silent)
        h->of_silence = 0;
    h->silent = 1;
    *changed = health_event(h, HEALTH_SILENT, now_ms);
    return HEALTH_HEDGE;
}

enum health_need health_look(struct health *h, const struct health_load *oldest, uint64_t now_ms,
                             int *changed)
{
    uint64_t half = half_ms(h, oldest), quiet, old;

    *changed = 0;
    if (h->asking && h->heard_ms <= h->asked_ms)
        return look_at_question(h, half, now_ms, changed);
    if (!oldest)
        return HEALTH_WAIT;
    old = now_ms - oldest->since_ms;
    quiet = h->heard_ms > oldest->since_ms ? now_ms - h->heard_ms : old;
    return quiet >= half && quiet >= old / SHARE ? HEALTH_ASK : HEALTH_WAIT;
}

uint64_t health_hedge_until_ms(const struct health *h, const struct health_load *oldest,
                               uint64_t now_ms)
{
    return health_is_in_use(h) ? now_ms - half_ms(h, oldest) : now_ms;
}

const char *health_state_name(enum health_state state)
{
    static const char *const names[] = {"fine", "suspect", "ejected", "probing"};

    return names[state];
}
