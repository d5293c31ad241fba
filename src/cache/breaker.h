/* SPDX-License-Identifier: MIT */
/* breaker.h - whether the source of a group is asked: the breaker of Nygard, "Release It!" (2007).
 *
 * It opens after so many failures in a row, or when too large a share of the loads fails. While it
 * is open, loads are refused, but one after each pause: a probe. The first pause is 0.1 s, each
 * further one is twice as long, up to 0.8 s. So a source that is back is found within a second. The
 * first good end of a load that began since it opened closes it.
 *
 * If all failures in the row are of one key, only this key is refused: one key that always fails
 * does not take the source from all others. When others fail as well, in a row or by their share,
 * it opens for all. When nobody asks for the one key any more, a good load of another closes it.
 *
 * A plain struct, all zero at first; the group's mutex guards it. Times are clock_ns(). */
#ifndef BREAKER_H
#define BREAKER_H

#include <stdint.h>

struct breaker_bounds {
    uint64_t in_row; /* failures in a row that open it; 0: none do */
    uint64_t share;  /* thousandths of the loads that may fail; 0: all of them */
};

enum {
    BREAKER_LEAST = 20,        /* so many failures are a share, or more */
    BREAKER_WINDOW_MS = 10000, /* a share is one of the loads of 10 to 20 s */
    BREAKER_FIRST_MS = 100,
    BREAKER_LAST_MS = 800,
    BREAKER_FORGET_MS =
        10000 /* after its last pause one key is forgotten, if it is not asked for */
};

struct breaker {
    uint64_t opened_ns; /* 0: it is closed */
    uint64_t next_ns;   /* open: when the next probe may begin */
    uint64_t pause_ms;
    uint64_t in_row;
    uint64_t beside; /* open for one key: failures in a row of the other keys */
    uint32_t key;    /* hash of the last key that failed, or of the one key */
    int many;        /* the failures in the row are of several keys */
    uint64_t window_ns;
    uint64_t good[2], bad[2]; /* this window and the one before */
};

static inline int breaker_is_open(const struct breaker *b)
{
    return b->opened_ns != 0;
}

/* Whether a load of the key with that hash may begin. If the breaker is open and the answer is 1,
 * the load is the probe. */
int breaker_admits(struct breaker *b, uint32_t hash, uint64_t now_ns);

/* Closes it and forgets all loads: its bounds were changed. */
void breaker_reset(struct breaker *b);

/* A load has ended that began at began_ns. `good`: the source has answered. Returns 1 if this opens
 * it, for one key or for all, or closes it. */
int breaker_note(struct breaker *b, const struct breaker_bounds *bounds, uint32_t hash, int good,
                 uint64_t began_ns, uint64_t now_ns);

#endif
