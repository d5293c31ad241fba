/* SPDX-License-Identifier: MIT */
/* otlp.h - spans for a collector: OTLP/HTTP with JSON, an ExportTraceServiceRequest
 * (opentelemetry-proto, docs/specification.md). Numbers of traces and spans are hex there, 64-bit
 * numbers are strings, enums are numbers.
 *
 * Pure functions, any thread. */
#ifndef OTLP_H
#define OTLP_H

#include <stddef.h>

#include "base/buf.h"
#include "base/spans.h"

/* Appends a request with these spans of the node that `self` names. Returns out->failed. */
enum err otlp_put(struct buf *out, const char *self, const struct span *spans, size_t n);

#endif
