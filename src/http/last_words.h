/* SPDX-License-Identifier: MIT */
/* last_words.h - an answer to requests that libmicrohttpd ends before we see them.
 *
 * If the head of a request leaves no room for the head of an answer, libmicrohttpd ends the
 * connection without a byte. If 0.9 cannot read a Content-Length, it writes the head of its 400 or
 * 413 twice. A client takes the second head for its next answer. So if libmicrohttpd gives up, we
 * write the only answer, and the connection takes no more bytes.
 *
 * HTTP threads, each for its own connections. */
#ifndef LAST_WORDS_H
#define LAST_WORDS_H

#include "base/list.h"

struct MHD_Connection;

/* Of a connection. */
struct last_words {
    struct list link; /* among the unfinished heads on this thread */
    struct MHD_Connection *connection;
    int fd;
    int chunked; /* 1: a body in chunks is under way */
};

void last_words_init(struct last_words *w, struct MHD_Connection *c);

/* A request has begun; its head follows. */
void last_words_may_come(struct last_words *w);

/* The head is complete, or the connection goes on. */
void last_words_spare(struct last_words *w);

/* libmicrohttpd logs what it will do next, but does not name the connection. */
void last_words_heard(const char *log_text);

/* A body in chunks begins: libmicrohttpd may find a fault in it, too. The request has ended. */
void last_words_body(struct last_words *w);
void last_words_ended(struct last_words *w);

/* The connection will be closed next. */
void last_words_closed(struct last_words *w);

#endif
