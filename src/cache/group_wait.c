/* SPDX-License-Identifier: MIT */
/* group_wait.c - a get by a thread that may block. */
#include <string.h>

#include "base/gate.h"
#include "cache/group.h"

struct sleeper {
    struct waiter waiter;
    struct gate gate;
    struct result result; /* item is a reference */
};

static void sleeper_wake(struct waiter *w, const struct result *r)
{
    struct sleeper *s = list_entry(w, struct sleeper, waiter);

    result_copy(&s->result, r);
    gate_open(&s->gate);
}

/* Waits until it is woken, or until the timeout has passed and the waiter was taken off. */
static void sleep_until_woken(struct group *g, struct sleeper *s, uint64_t timeout_ms)
{
    if (gate_wait(&s->gate, timeout_ms))
        return;
    if (group_cancel(g, &s->waiter))
        group_late(g, timeout_ms, &s->result.err);
    else
        gate_wait(&s->gate, GATE_FOR_EVER);
}

enum err group_wait(struct group *g, const struct key_ref *k, uint64_t timeout_ms,
                    struct result *out)
{
    struct sleeper s = {.waiter.wake = sleeper_wake};

    memset(out, 0, sizeof(*out));
    gate_init(&s.gate);
    if (!group_load(g, k, 0, &s.waiter, out)) {
        sleep_until_woken(g, &s,
                          timeout_ms ? timeout_ms : group_opts(g).timeout_ms + GROUP_MARGIN_MS);
        *out = s.result;
    }
    gate_deinit(&s.gate);
    return out->item ? ERR_OK : out->err.code;
}

enum err group_get(struct group *g, const struct key_ref *k, uint64_t timeout_ms,
                   struct result *out)
{
    memset(out, 0, sizeof(*out));
    out->item = group_lookup(g, k, 0, &out->source);
    return out->item ? ERR_OK : group_wait(g, k, timeout_ms, out);
}
