/* SPDX-License-Identifier: MIT */
#include "peer/departed.h"

#include <string.h>

#include "base/mem.h"

void departed_deinit(struct departed *d)
{
    size_t i;

    for (i = 0; i < DEPARTED_MOST; i++)
        mem_free(d->list[i].url);
    memset(d, 0, sizeof(*d));
}

void departed_note(struct departed *d, const char *url, uint64_t now_ms)
{
    size_t i = d->next++ % DEPARTED_MOST;

    mem_free(d->list[i].url);
    d->list[i].url = mem_strdup(url);
    d->list[i].at_ms = now_ms;
}

uint64_t departed_ms(const struct departed *d, const char *url)
{
    uint64_t at_ms = 0;
    size_t i;

    for (i = 0; i < DEPARTED_MOST; i++)
        if (d->list[i].url && !strcmp(d->list[i].url, url) && d->list[i].at_ms > at_ms)
            at_ms = d->list[i].at_ms;
    return at_ms;
}
