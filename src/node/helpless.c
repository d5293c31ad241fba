/* SPDX-License-Identifier: MIT */
#include "node/helpless.h"

#include <signal.h>
#include <unistd.h>

#include "base/log.h"
#include "base/notify.h"

static void change(struct helpless *h, int now)
{
    atomic_store(&h->now, now);
    notify_status(now ? "not ready: all workers are stuck in C functions" : "ready again");
    if (now)
        log_error("node",
                  "all workers are stuck in C functions, and none can be replaced: not ready",
                  "ends_in_ms=%lld", h->may_exit && h->timeout_ms ? (long long)h->timeout_ms : -1);
    else
        log_info("node", "a worker has come out of its C function: ready again", "%s", "");
}

void helpless_look(struct helpless *h, uint64_t since_ms, uint64_t now_ms)
{
    if (!since_ms != !atomic_load(&h->now))
        change(h, since_ms != 0);
    if (!since_ms || !h->may_exit || !h->timeout_ms || now_ms - since_ms < h->timeout_ms ||
        atomic_exchange(&h->gave_up, 1))
        return;
    log_error("node", "ending, since all workers are still stuck in C functions",
              "stuck_timeout_ms=%llu", (unsigned long long)h->timeout_ms);
    kill(getpid(), SIGTERM);
}
