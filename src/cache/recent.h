/* SPDX-License-Identifier: MIT */
/* recent.h - what an operator may ask of the last minutes of a group: the loads that failed last,
 * and the slowest loads.
 *
 * All zero bytes is empty. It has no lock: the caller's mutex guards it. */
#ifndef RECENT_H
#define RECENT_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/key.h"

enum {
    RECENT_LOADS = 8, /* of each of the two lists */
    RECENT_KEY_BYTES = 64,
    RECENT_TEXT_BYTES = 120,
    RECENT_SLOW_MS = 600000 /* how long a slow load is remembered */
};

struct recent_load {
    uint64_t at_ms; /* clock_ms() time of its end; 0: a free place */
    uint64_t took_us;
    uint64_t n;         /* failures of the same source, code and text */
    const char *source; /* of a failure: a static word */
    enum err code;
    uint32_t key_len; /* of the whole key */
    char key[RECENT_KEY_BYTES];
    char text[RECENT_TEXT_BYTES]; /* of a failure */
};

struct recent {
    struct recent_load failed[RECENT_LOADS], slow[RECENT_LOADS];
};

/* A load has failed. If a failure with the same source, code and text is remembered, it is counted
 * there; else it takes the place of the oldest. */
void recent_failed(struct recent *r, const char *source, const struct key_ref *k,
                   const struct error *e, uint64_t now_ms);

/* A getter has taken so long. */
void recent_took(struct recent *r, const struct key_ref *k, uint64_t took_us, uint64_t now_ms);

/* Copies the failures, the last first, and the slow loads that are remembered, the slowest first.
 * Each returns how many. */
size_t recent_list_failed(const struct recent *r, struct recent_load out[RECENT_LOADS]);
size_t recent_list_slow(const struct recent *r, uint64_t now_ms,
                        struct recent_load out[RECENT_LOADS]);

#endif
