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

/* An object or a list under way, on the caller's stack. */
struct json_out {
    struct buf *out;
    int members; /* so far */
    char end;    /* the bracket that closes it */
};

/* Opens the outermost object or list; `bracket` is '{' or '['. */
void json_out_begin(struct json_out *j, struct buf *out, char bracket);

/* Opens an object or a list inside another. */
void json_out_open(struct json_out *parent, const char *name, struct json_out *j, char bracket);
void json_out_close(struct json_out *j);

void json_out_number(struct json_out *j, const char *name, uint64_t n);
void json_out_bool(struct json_out *j, const char *name, int is);
void json_out_text(struct json_out *j, const char *name, const char *text);

/* A value that is JSON already. */
void json_out_raw(struct json_out *j, const char *name, const void *bytes, size_t n);

#endif
