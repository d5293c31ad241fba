/* SPDX-License-Identifier: MIT */
/* head.h - the head of an answer, judged line by line as libcurl hands it over.
 *
 * libcurl is lenient where an answer says how long it is: it takes the last of several
 * Content-Lengths, joins folded lines and reads "200200" as 200. The end of an answer decides which
 * bytes are cached, and which belong to the next answer. So a head that two readers could
 * understand differently is refused here, as RFC 9112 (2.2, 5.1, 5.2, 6.3) allows.
 *
 * Pure functions, any thread. */
#ifndef HEAD_H
#define HEAD_H

#include <stddef.h>
#include <stdint.h>

enum {
    HEAD_MAX_BYTES = 256 << 10, /* headers and trailers of one exchange, 1xx answers included */
    HEAD_MAX_LINES = 1000       /* nginx has the same bound */
};

enum head_part { HEAD_STATUS, HEAD_FIELDS, HEAD_TRAILERS };

/* Its Content-Encoding. */
enum head_coding {
    HEAD_PLAIN,
    HEAD_GZIP,
    HEAD_DEFLATE,
    HEAD_BROTLI,
    HEAD_ZSTD,
    HEAD_ENCODED /* another */
};

struct head {
    enum head_part part; /* of the next line; HEAD_TRAILERS: the head has ended */
    int bodiless;        /* the request was a HEAD */
    int old;             /* HTTP/1.0 */
    int status;          /* of the current answer; 0 before its first line */
    int chunked;
    int any_coding; /* another Transfer-Encoding is no flaw: see fetch_opts */
    int opaque;     /* it has such a one */
    int has_length;
    uint64_t length; /* of the body, when has_length */
    enum head_coding coding;
    size_t bytes; /* all lines so far */
    unsigned lines;
};

/* bodiless: 1 for a HEAD request. */
void head_init(struct head *h, int bodiless);

/* Takes one line, its line end included. Returns NULL, or a literal that says what is wrong. Then
 * the connection must be closed, since nobody knows where the answer ends. */
const char *head_line(struct head *h, const char *line, size_t n);

/* Once the head has ended: whether a body follows it. */
int head_has_body(const struct head *h);

#endif
