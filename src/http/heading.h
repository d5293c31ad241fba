/* SPDX-License-Identifier: MIT */
/* heading.h - the headers of an answer, added to it all at once.
 *
 * libmicrohttpd allocates three times for a header, and looks through its name and its value. Most
 * answers with a value are made for one request, so their headers were a third of the instructions
 * of such a request. They are joined into one header with line breaks in its value, which are
 * written into libmicrohttpd's own copy. If it has none that can be changed, they are added one by
 * one.
 *
 * HTTP threads only. A heading is on the caller's stack. */
#ifndef HEADING_H
#define HEADING_H

#include <stddef.h>
#include <stdint.h>

struct MHD_Response;

enum { HEADING_BYTES = 512, HEADING_LINES = 12, HEADING_DATE = 30 /* with its NUL */ };

struct heading {
    struct MHD_Response *response;        /* borrowed; NULL: of no response yet */
    const char *first;                    /* name of the first header, static; NULL: none yet */
    size_t n;                             /* bytes of the text */
    unsigned nbreaks;                     /* lines but the first */
    int full;                             /* 1: without a response, and a header had no room */
    unsigned short breaks[HEADING_LINES]; /* where they begin, less 2 */
    char text[HEADING_BYTES];
};

/* Headers that are added go to r, at the latest at heading_end(). r is NULL for a heading that is
 * written or given. */
void heading_begin(struct heading *h, struct MHD_Response *r);

/* Adds a header. The name is static; the value, which is copied, has no line break. Each name is
 * added once, and r has no header with a name of the heading. If there is no memory, headers are
 * missing, as with MHD_add_response_header(). */
void heading_add(struct heading *h, const char *name, const char *value);

/* Adds a header whose value is a number, behind the text `before`. */
void heading_add_number(struct heading *h, const char *name, const char *before, uint64_t n);

/* Adds the present time as Date. Otherwise libmicrohttpd computes it. */
void heading_add_date(struct heading *h);

/* Of a heading without a response: whether it has all headers, joined into one. */
int heading_is_whole(const struct heading *h);

/* Adds a whole heading to r. Returns libmicrohttpd's own copy, of h->n bytes, which
 * heading_write() may overwrite as long as r is not being sent. NULL: no memory. */
char *heading_give(const struct heading *h, struct MHD_Response *r);

/* Writes h->n bytes of a whole heading to `out`. */
void heading_write(const struct heading *h, char *out);

/* To be called once. Other headers may be added to r from now on. */
void heading_end(struct heading *h);

/* Writes the time, in seconds since 1970, in the form of RFC 9110 (5.6.7), in every locale. */
void heading_print_date(int64_t unix_s, char out[HEADING_DATE]);

#endif
