/* SPDX-License-Identifier: MIT */
/* group_failed.c - loads that ended without a value, for the operator: who asked is told anyway.
 *
 * They are counted, and the last is remembered; one line a second and group says so. That there is
 * no such value (NOTFOUND) is an answer, and that the node stops (CLOSED) is said elsewhere. */
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "cache/group_in.h"

enum { EVERY_MS = 1000 };

void group_failed_note_locked(struct group *g, const char *source, const struct key_ref *k,
                              const struct error *e, const struct traceparent *trace)
{
    struct failed *f = &g->failed;

    if (e->code == ERR_NOTFOUND || e->code == ERR_CLOSED)
        return;
    recent_failed(&g->recent, source, k, e, clock_ms());
    f->n++;
    group_wake_locked(g);
    f->source = source;
    f->trace[0] = '\0';
    if (trace)
        traceparent_id(trace, f->trace);
    f->error = *e;
    f->key_len = k->n;
    memcpy(f->key, k->bytes, k->n < sizeof(f->key) ? k->n : sizeof(f->key));
}

static void say(const struct group *g, const struct failed *f)
{
    char key[4 * sizeof(f->key) + 8], text[2 * ERROR_TEXT];
    size_t kept = f->key_len < sizeof(f->key) ? f->key_len : sizeof(f->key);

    log_warn("group", "loads failed", "group=%s count=%llu source=%s code=%s key=%s error=%s%s%s",
             g->name, (unsigned long long)f->n, f->source, err_name(f->error.code),
             log_quote(key, sizeof(key), f->key, kept),
             log_quote(text, sizeof(text), f->error.msg, strlen(f->error.msg)),
             *f->trace ? " trace=" : "", f->trace);
}

/* What has failed since the last line, if one may be written now. */
static int take(struct group *g, uint64_t now_ms, struct failed *out)
{
    int due;

    pthread_mutex_lock(&g->mu);
    due = g->failed.n && now_ms >= g->failed.next_ms;
    if (due) {
        *out = g->failed;
        g->failed.n = 0;
        g->failed.next_ms = now_ms <= UINT64_MAX - EVERY_MS ? now_ms + EVERY_MS : 0;
    }
    pthread_mutex_unlock(&g->mu);
    return due;
}

void group_failed_tick(struct group *g, uint64_t now_ms)
{
    struct failed f;

    if (take(g, now_ms, &f))
        say(g, &f);
}
