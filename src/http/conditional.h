/* SPDX-License-Identifier: MIT */
/* conditional.h - a client's request about the copy that it has, or the part that it wants: ETag,
 * If-Match, If-None-Match, Range, If-Range (RFC 9110, 8.8.3, 13 and 14), and max-age.
 *
 * Pure functions, any thread. */
#ifndef CONDITIONAL_H
#define CONDITIONAL_H

#include <stddef.h>
#include <stdint.h>

enum { ETAG_BYTES = 20 }; /* quotes, 16 hex digits, NUL */

/* The strong tag of a value: a hash of its bytes, the same on every node and after a restart. */
uint64_t conditional_etag(const void *value, size_t n);
void conditional_etag_print(uint64_t tag, char out[ETAG_BYTES]);

/* If-None-Match: a list of tags, compared weakly, or "*". etag may be NULL: the value has none. */
int conditional_etag_matches(const char *list, const char *etag);

/* If-Match: the same, compared strongly. */
int conditional_etag_matches_strongly(const char *list, const char *etag);

/* If-Range: one tag, compared strongly. */
int conditional_etag_is(const char *text, const char *etag);

enum range {
    RANGE_WHOLE, /* no range, or an unsupported one: the whole value */
    RANGE_PART,  /* *first to *last, both included */
    RANGE_NONE   /* the range has no byte of the value */
};

/* Range: a single range of bytes of a value of n bytes. text may be NULL. */
enum range conditional_range(const char *text, uint64_t n, uint64_t *first, uint64_t *last);

enum { CONDITIONAL_RANGE_TEXT = 80 };

/* Cuts the *n bytes at *bytes, of an answer with that status, to a Range. Returns the status: 206,
 * 416 (then *n is 0), or as it was for the whole. `text` becomes the Content-Range, else empty. */
int conditional_cut(int status, const char *range, const char **bytes, size_t *n,
                    char text[CONDITIONAL_RANGE_TEXT]);

/* Cache-Control of a request: 1 and *seconds if it has a max-age, 0 if it lacks one, -1 if max-age
 * is no number. text may be NULL. */
int conditional_max_age(const char *text, uint64_t *seconds);

#endif
