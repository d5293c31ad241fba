/* SPDX-License-Identifier: MIT */
/* spans.h - work that belongs to a trace, until it is sent to a collector.
 *
 * A span is begun and ended by whoever does the work. If its trace is sampled, the end is kept here
 * until somebody takes it. If SPANS_MOST wait, the next one is dropped and counted. So a collector
 * that is away costs nobody time, and no more memory than that.
 *
 * Any thread. */
#ifndef SPANS_H
#define SPANS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/traceparent.h"

enum { SPANS_MOST = 4096, SPANS_NAME_BYTES = 64 };

enum span_kind { SPAN_LOAD, SPAN_EXCHANGE };

struct span {
    char trace[TRACEPARENT_ID_BYTES + 1];
    char id[TRACEPARENT_SPAN_BYTES + 1], from[TRACEPARENT_SPAN_BYTES + 1];
    int sampled; /* 0: its end is not kept, as that of a span of zeros */
    enum span_kind kind;
    char name[SPANS_NAME_BYTES]; /* the group, or the method: cut */
    const char *source;          /* of a load: a static word; else NULL */
    enum err code;
    int status;        /* of an exchange; 0: it has none */
    uint64_t began_ns; /* clock_ns() time */
    uint64_t since_ns; /* since 1970; set at the end, like the next */
    uint64_t took_ns;
};

struct spans;

/* `share` of all loads that have no trace begin one, in thousandths. */
struct spans *spans_new(uint64_t share);
void spans_free(struct spans *ss); /* NULL is fine */

/* For a load without a trace: 1 if it begins one, which is in out then. */
int spans_may_begin(struct spans *ss, struct traceparent *out);

/* Fills in s: it is t's own span, and begins now. */
void spans_begin(struct span *s, const struct traceparent *t, enum span_kind kind,
                 const char *name);

/* It has ended. Copies it. */
void spans_end(struct spans *ss, const struct span *s);

/* Takes at most n spans, the oldest first. Returns how many. */
size_t spans_take(struct spans *ss, struct span *out, size_t n);

/* What became of n spans that were taken: sent, or dropped. */
void spans_count(struct spans *ss, uint64_t sent, uint64_t dropped);
void spans_counts(const struct spans *ss, uint64_t *sent, uint64_t *dropped); /* ss may be NULL */

#endif
