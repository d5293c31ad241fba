/* SPDX-License-Identifier: MIT */
/* json_out.h - writes JSON into a buf: commas, quotes and brackets in one place.
 *
 * An object or a list is opened, filled, and closed. `name` is a member's name in an object, NULL
 * in a list. A failed append shows in the buf only. One thread at a time. */
#ifndef JSON_OUT_H
#define JSON_OUT_H

#include <stddef.h>
#include <stdint.h>

struct buf;
struct error;

/* An object or a list under way, on the caller's stack. */
struct json_out {
    struct buf *out;
    int members; /* so far */
    char end;    /* the bracket that closes it */
};

/* The bytes of a string that become \u00XX, beside control characters, quote and backslash. */
enum json_out_style {
    JSON_OUT_BYTES, /* all outside ASCII: so the string is valid whatever the bytes are */
    JSON_OUT_UTF8,  /* none: the bytes are UTF-8 */
    JSON_OUT_GO     /* as Go's encoder: < > & and JavaScript's line ends; the rest is UTF-8 */
};

/* Appends a string with its quotes. */
void json_out_string(struct buf *out, const void *bytes, size_t n, enum json_out_style style);

/* Appends a part of a string, without quotes. A part of JSON_OUT_GO ends between two characters. */
void json_out_chars(struct buf *out, const void *bytes, size_t n, enum json_out_style style);

/* Opens the outermost object or list; `bracket` is '{' or '['. */
void json_out_begin(struct json_out *j, struct buf *out, char bracket);

/* Opens an object or a list inside another. */
void json_out_open(struct json_out *parent, const char *name, struct json_out *j, char bracket);
void json_out_close(struct json_out *j);

void json_out_number(struct json_out *j, const char *name, uint64_t n);
void json_out_bool(struct json_out *j, const char *name, int is);
void json_out_text(struct json_out *j, const char *name, const char *text); /* JSON_OUT_BYTES */
void json_out_bytes(struct json_out *j, const char *name, const void *bytes, size_t n,
                    enum json_out_style style);

/* The members "error" and "code". */
void json_out_error(struct json_out *j, const struct error *e);

/* A value that is JSON already; without bytes the caller appends it. */
void json_out_raw(struct json_out *j, const char *name, const void *bytes, size_t n);

#endif
