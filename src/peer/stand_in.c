/* SPDX-License-Identifier: MIT */
#include "peer/stand_in.h"

#include "base/clock.h"
#include "cache/flight.h"
#include "net/fetch.h"
#include "peer/peer_in.h"

static int is_at_stand_in(const struct flight *f)
{
    return f->passing || f->asked > 1;
}

void stand_in_put(struct fetch_opts *o, const char **headers, struct flight *const *flights,
                  size_t n)
{
    size_t i;

    for (i = 0; i < n && !is_at_stand_in(flights[i]); i++)
        ;
    if (i < n)
        headers[o->n_headers++] = HEADER_STAND_IN ": 1";
}

void stand_in_note(struct peers *p)
{
    atomic_store(&p->stood_in_ms, clock_ms());
}

uint64_t stand_in_noted_ms(const struct peers *p)
{
    return atomic_load(&p->stood_in_ms);
}

uint64_t stand_in_ago_ms(const struct peers *p)
{
    uint64_t noted = stand_in_noted_ms(p), ago = clock_ms() - noted;

    if (!noted)
        return UINT64_MAX;
    return ago ? ago - 1 : 0;
}
