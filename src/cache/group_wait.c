/* SPDX-License-Identifier: MIT */
/* group_wait.c - a get by a thread that may block: the third kind of waiter, after a parked
 * connection and a coroutine. It sleeps on a condition of its own until the flight wakes it. */
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "cache/group.h"

enum { WAIT_MARGIN_MS = 1000 /* a flight ends itself a tick after its deadline */ };

struct sleeper {
    struct waiter waiter;
    pthread_mutex_t mu;
    pthread_cond_t cond;
    int woken;            /* guarded by mu */
    struct result result; /* guarded by mu; item is a reference */
};

static void sleeper_wake(struct waiter *w, const struct result *r)
{
    struct sleeper *s = list_entry(w, struct sleeper, waiter);

    pthread_mutex_lock(&s->mu);
    s->result = *r;
    if (r->item)
        item_ref(r->item);
    s->woken = 1;
    pthread_cond_signal(&s->cond); /* under mu: the sleeper frees it as soon as it may */
    pthread_mutex_unlock(&s->mu);
}

/* Waits until woken, or until the time is over and the waiter could be taken off. */
static void sleep_until_woken(struct group *g, struct sleeper *s, uint64_t timeout_ms)
{
    struct timespec until;
    int late = 0;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(timeout_ms / 1000);
    until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&s->mu);
    while (!s->woken && !late)
        late = pthread_cond_timedwait(&s->cond, &s->mu, &until) != 0;
    pthread_mutex_unlock(&s->mu);
    if (late && group_cancel(g, &s->waiter)) {
        error_set(&s->result.err, ERR_TIMEOUT, "group %s: no value within %g s", group_name(g),
                  (double)timeout_ms / 1000);
        return;
    }
    pthread_mutex_lock(&s->mu);
    while (!s->woken)
        pthread_cond_wait(&s->cond, &s->mu);
    pthread_mutex_unlock(&s->mu);
}

enum err group_wait(struct group *g, const void *key, size_t key_len, uint64_t timeout_ms,
                    struct result *out)
{
    struct sleeper s = {.waiter.wake = sleeper_wake};
    pthread_condattr_t attr;

    memset(out, 0, sizeof(*out));
    pthread_mutex_init(&s.mu, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&s.cond, &attr);
    pthread_condattr_destroy(&attr);
    if (!group_load(g, group_hash(key, key_len), key, key_len, 0, &s.waiter, out)) {
        sleep_until_woken(g, &s,
                          timeout_ms ? timeout_ms : group_opts(g).timeout_ms + WAIT_MARGIN_MS);
        *out = s.result;
    }
    pthread_cond_destroy(&s.cond);
    pthread_mutex_destroy(&s.mu);
    return out->item ? ERR_OK : out->err.code;
}

enum err group_get(struct group *g, const void *key, size_t key_len, uint64_t timeout_ms,
                   struct result *out)
{
    memset(out, 0, sizeof(*out));
    out->item = group_lookup(g, group_hash(key, key_len), key, key_len, 0, &out->source);
    return out->item ? ERR_OK : group_wait(g, key, key_len, timeout_ms, out);
}
