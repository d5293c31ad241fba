/* SPDX-License-Identifier: MIT */
/* last_words.h - an answer to requests that libmicrohttpd ends before we see them.
 *
 * If the head of a request leaves no room for the head of an answer, libmicrohttpd ends the
 * connection without a byte. If 0.9 cannot read a Content-Length, it writes the head of its 400 or
 * 413 twice. A client takes the second head for its next answer. So if libmicrohttpd gives up, the
 * socket is taken from it (move.c), and we write the only answer.
 *
 * HTTP threads, each for its own connections. */
#ifndef LAST_WORDS_H
#define LAST_WORDS_H

#include <stddef.h>

struct move;

/* Of a connection. */
struct last_words {
    struct move *move; /* of the same connection */
    int chunked;       /* 1: a body in chunks is under way */
    int large;         /* 1: the head of the answer is large, by no fault of the client */
};

void last_words_init(struct last_words *w, struct move *m);

/* libmicrohttpd has called us about the connection; what it logs next may be about it. */
void last_words_called(struct last_words *w);

/* The answer to the connection that libmicrohttpd has called us about has a large head. If it does
 * not fit beside the head of the request, the client learns that it was the answer. */
void last_words_large(void);

/* libmicrohttpd logs what it will do next, but does not name the connection. `room` is the least
 * that it keeps of a head, bytes. With TLS, only answers without room are answered here. */
void last_words_heard(const char *log_text, size_t room, int tls);

/* Whether a text of the log only says that a connection ends which has moved. */
int last_words_are_known(const char *log_text);

/* A body in chunks begins: libmicrohttpd may find a fault in it, too. The request has ended. */
void last_words_body(struct last_words *w);
void last_words_ended(struct last_words *w);

/* The connection will be closed next. */
void last_words_closed(struct last_words *w);

#endif
