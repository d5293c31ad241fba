/* SPDX-License-Identifier: MIT */
/* json.h - reads JSON (RFC 8259) piece by piece, as far as the messages need it: the caller says
 * which piece it expects next.
 *
 * This is the only reader of JSON. bind/decode.c makes Lua values of the same pieces; numbers and
 * names are its own, since no message has them. base/json_out.h writes.
 *
 * Space around a piece is skipped. After a failure the reader stands at the place of the failure.
 * Pure functions, any thread. */
#ifndef JSON_H
#define JSON_H

#include "base/buf.h"

/* The unread rest of a text. */
struct json {
    const char *at, *end;
    const char *flaw; /* a fault that json_text() found besides bad syntax; NULL: none */
};

/* Skips space. */
void json_space(struct json *j);

/* Skips one of {}[]:, and the space around it. 0: the next byte is another. */
int json_char(struct json *j, char c);

/* Reads the string that is next: appends its text as UTF-8, and skips the space behind it. Raw
 * bytes are appended as they are, UTF-8 or not. 0: there is no string, or it has half of a
 * surrogate pair as an escape. That is no character, and any replacement would make two different
 * texts equal. A failed append shows in out->failed only. */
int json_text(struct json *j, struct buf *out);

/* Skips a value of any kind, at most JSON_MAX_DEPTH arrays and objects deep. Numbers and names are
 * not checked closely. 0: there is no value. */
enum { JSON_MAX_DEPTH = 32 };
int json_skip(struct json *j);

#endif
