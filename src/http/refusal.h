/* SPDX-License-Identifier: MIT */
/* refusal.h - an answer that is written past libmicrohttpd, to a request that it does not know.
 *
 * Any thread. */
#ifndef REFUSAL_H
#define REFUSAL_H

struct MHD_Connection;

/* Whether there is an answer for this status: of libmicrohttpd 400, 413, 414 or 431; of ours 502,
 * if the head of an answer is too large. */
int refusal_has(int status);

/* Writes the answer for this status to a client's socket, and ends our side of the connection: no
 * second answer can follow. Says so in the log, at debug. The caller closes the socket. */
void refusal_send(int fd, int status);

/* The same over TLS, on the thread of the connection, which libmicrohttpd ends next. */
void refusal_send_tls(struct MHD_Connection *c, int status);

#endif
