/* SPDX-License-Identifier: MIT */
#include "wire/until.h"

#include "base/clock.h"
#include "base/hash.h"

enum {
    HASH_SPARE = 13, /* bits of a hash: times stay below 2^53, which any language can hold */
    FAR_MS = 60000,  /* no sender waits that long for a set */
    ROOM_MS = 5,     /* clocks are read in whole milliseconds, and storing takes a moment */
    DRIFT = 1000 /* two clocks differ by less than a thousandth of the time that passes: the kernel
                  * slews a clock by 0.05 % at most (adjtimex(2)), and crystals are ten times
                  * better */
};

uint64_t until_clock(void)
{
    static const char what[] = "the clock of sets";

    return (hash_table(what, sizeof(what)) >> HASH_SPARE | 1) + clock_boot_ms();
}

int until_is_past(uint64_t until, uint64_t clock)
{
    return until < clock || until - clock > FAR_MS;
}

static uint64_t lead_at(const struct until *u, uint64_t ms)
{
    return u->lead_ms - (ms - u->at_ms) / DRIFT;
}

/* The clock's lead is within `least` and `most`. An earlier bound is better if it lies within them.
 * Else the clocks have drifted, or the other side is another process. */
void until_heard(struct until *u, uint64_t theirs, uint64_t asked_ms, uint64_t now_ms)
{
    uint64_t least = theirs - now_ms, most = theirs - asked_ms;

    if (u->known && lead_at(u, now_ms) - least <= most - least)
        return;
    u->known = 1;
    u->lead_ms = least;
    u->at_ms = now_ms;
}

uint64_t until_at(const struct until *u, uint64_t at_ms)
{
    return u->known ? lead_at(u, at_ms) + at_ms - ROOM_MS : 0;
}
