/* SPDX-License-Identifier: MIT */
/* last_words.h - an answer to requests that libmicrohttpd ends before we see them.
 *
 * It ends a connection without a byte when the head of the request leaves no room for that of an
 * answer. And 0.9 writes the head of its own 400 or 413 twice when it
 * cannot read a Content-Length. The client's next reader would take the second one for the answer
 * to another request. So where libmicrohttpd gives up, we write the one answer there is, and the
 * connection takes no more bytes.
 *
 * HTTP threads, each for its own connections. */
#ifndef LAST_WORDS_H
#define LAST_WORDS_H

#include "base/list.h"

struct MHD_Connection;

/* Of a connection. */
struct last_words {
    struct list link; /* among the heads under way on this thread */
    struct MHD_Connection *connection;
    int fd;
};

void last_words_init(struct last_words *w, struct MHD_Connection *c);

/* A request has begun, and its head is to come. */
void last_words_may_come(struct last_words *w);

/* The head has come to us, or the connection goes on with it. */
void last_words_spare(struct last_words *w);

/* libmicrohttpd logs what it is about to do; of the connection it says nothing. */
void last_words_heard(const char *log_text);

/* The connection is about to be closed. */
void last_words_closed(struct last_words *w);

#endif
