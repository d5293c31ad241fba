/* SPDX-License-Identifier: MIT */
/* access.h - the access log: notes about a request while it is served, and its line.
 *
 * A line is in the combined format, followed by the seconds that it took, where the value came from
 * (X-Cache) and the key:
 *
 *   127.0.0.1 - - [02/Jan/2026:03:04:05 +0000] "GET /cache/g/a%2Fb HTTP/1.1" 200 5 "-"
 * "curl/7.88.1" 0.000412 main "a/b"
 *
 * If the log is JSON (base/log_line.h), a line is an object with the same fields.
 *
 * HTTP threads only. access_enter() says which request the thread serves; notes are about this
 * request. Without an access log all of this does nothing. */
#ifndef ACCESS_H
#define ACCESS_H

#include <stddef.h>
#include <stdint.h>

struct MHD_Connection;
struct spool;

/* Of one connection; zero. */
struct access {
    char *target;                 /* owned; NULL: no request is under way, or nothing is noted */
    const char *method, *version; /* libmicrohttpd's, as long as the request lasts */
    char *key;                    /* owned, cut */
    size_t key_len;
    const char *source; /* static */
    uint64_t began_us;
    int status;
    int64_t bytes; /* of the body; -1: unknown until it is sent */
};

/* A request has begun. */
void access_begin(struct access *a, const char *target);

/* The thread serves this request from now on. */
void access_enter(struct access *a, const char *method, const char *version);

/* Notes about the request that the thread serves: its key, of which the last note counts, its
 * answer. */
void access_note_key(const void *key, size_t key_len);
void access_note_source(const char *source);
void access_note_status(int status);
void access_note_bytes(size_t n); /* SIZE_MAX: not known */

/* The request has ended, answered or not: writes its line. */
void access_end(struct access *a, struct spool *to, struct MHD_Connection *c);

#endif
