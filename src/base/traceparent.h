/* SPDX-License-Identifier: MIT */
/* traceparent.h - which trace a load belongs to (W3C Trace Context, level 2).
 *
 *   traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
 *   tracestate:  vendor=text,other=text
 *
 * The first number is the trace's, the second that of the span which sends the header, the last two
 * digits are flags. Each node and each exchange is a span of its own: it keeps the trace, the flags
 * and the tracestate, and has a new number. A node begins no trace.
 *
 * A header that is not exactly of this form counts as absent: capitals, zeros as numbers, version
 * ff, or a length other than 55 in version 00. Of later versions the first 55 bytes count, as the
 * standard says.
 *
 * Any thread. */
#ifndef TRACEPARENT_H
#define TRACEPARENT_H

#include <stddef.h>

#define TRACEPARENT_HEADER "traceparent"
#define TRACEPARENT_STATE_HEADER "tracestate"

enum {
    TRACEPARENT_BYTES = 55,
    TRACEPARENT_STATE_BYTES = 512, /* a longer tracestate is dropped */
    TRACEPARENT_ID_BYTES = 32,     /* of the trace's number, in hex */
    TRACEPARENT_SPAN_BYTES = 16,   /* of a span's */
    TRACEPARENT_LINES = 600        /* room for both headers */
};

struct traceparent {
    char text[TRACEPARENT_BYTES + 1];        /* as it is sent on */
    char from[TRACEPARENT_SPAN_BYTES + 1];   /* the span before this one; "": unknown */
    char state[TRACEPARENT_STATE_BYTES + 1]; /* the tracestate; "": none */
};

/* Reads the two headers' values; state may be NULL. 0: the first is not a traceparent, and out is
 * undefined. */
int traceparent_read(struct traceparent *out, const char *text, size_t n, const char *state,
                     size_t state_len);

/* A new span of the same trace. */
void traceparent_child(struct traceparent *out, const struct traceparent *of);

/* Whether a header, of which the name has n bytes, is one of the two. */
int traceparent_is_header(const char *name, size_t n);

/* Appends the headers of a request, each ended by NUL. Returns how many: 2 if there is a state. */
int traceparent_put_headers(const struct traceparent *t, char out[TRACEPARENT_LINES]);

/* The trace's number, for log lines, into out. Returns out. */
const char *traceparent_id(const struct traceparent *t, char out[TRACEPARENT_ID_BYTES + 1]);

#endif
