/* SPDX-License-Identifier: MIT */
/* json.h - reads JSON (RFC 8259) piece by piece, as far as a message of the family needs it: the
 * caller knows what should come and says so.
 *
 * Space around a piece is stepped over. After a failure the reader stands where it found it.
 * Pure functions, any thread. */
#ifndef JSON_H
#define JSON_H

#include "base/buf.h"

/* What is left of a text. */
struct json {
    const char *at, *end;
    const char *flaw; /* what json_text() has found besides bad syntax; NULL: nothing */
};

/* Steps over space. */
void json_space(struct json *j);

/* Steps over one of {}[]:, and the space around it. 0 when something else stands there. */
int json_char(struct json *j, char c);

/* Appends what the string that stands here says, as UTF-8, and steps over the space behind it. Raw
 * bytes are appended as they are, UTF-8 or not. 0 when there is no string, or when it has half of a
 * surrogate pair as an escape: that is no character, and whatever stood for it would make one of
 * two different texts. A failed append shows in out->failed only. */
int json_text(struct json *j, struct buf *out);

/* Steps over a value of any kind, at most JSON_MAX_DEPTH arrays and objects deep; what a number or
 * a name looks like is not checked closely. 0 when there is none. */
enum { JSON_MAX_DEPTH = 32 };
int json_skip(struct json *j);

#endif
