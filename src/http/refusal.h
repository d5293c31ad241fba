/* SPDX-License-Identifier: MIT */
/* refusal.h - an answer that is written past libmicrohttpd, to a request that it does not know.
 *
 * Any thread. */
#ifndef REFUSAL_H
#define REFUSAL_H

/* Whether there is an answer of this status: 400, 413, 414 or 431. */
int refusal_has(int status);

/* Writes the answer of this status to a client's socket, and ends our side of the connection: no
 * second answer can follow. Says so in the log, at debug. The caller closes the socket. */
void refusal_send(int fd, int status);

#endif
