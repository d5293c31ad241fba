/* SPDX-License-Identifier: MIT */
/* server_tick.c - what the log tells of a server's limits. */
#include <string.h>

#include "base/buf.h"
#include "base/log.h"
#include "http/server_in.h"

enum { LOG_MS = 1000 /* between two lines about the limits */ };

static void log_tally(const struct server *s)
{
    struct buf line;

    buf_init(&line, 0);
#define X(name, meaning)                                                                           \
    if (s->tally.name != s->told.name)                                                             \
        buf_putf(&line, " " #name "=%llu", (unsigned long long)(s->tally.name - s->told.name));
    TALLY_COUNTERS(X)
#undef X
    if (line.len)
        log_warn("server", "limits were reached", "%.*s", (int)line.len - 1, line.data + 1);
    buf_deinit(&line);
}

void server_tick(struct server *s, uint64_t now_ms)
{
    sendings_tick(&s->sendings, now_ms);
    if (now_ms < s->next_ms)
        return;
    s->next_ms = now_ms + LOG_MS;
    log_tally(s);
#define X(name, meaning) s->told.name = s->tally.name;
    TALLY_COUNTERS(X)
#undef X
}
