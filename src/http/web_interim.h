/* SPDX-License-Identifier: MIT */
/* web_interim.h - interim answers (1xx) of an origin, for the client whose request brought them.
 *
 * They are known with the answer, and go out right before it: libmicrohttpd sends none, so this
 * file writes to the socket while libmicrohttpd has nothing to send. HTTP threads only, for the
 * connection that is being handled, before its answer is queued. */
#ifndef WEB_INTERIM_H
#define WEB_INTERIM_H

#include <stddef.h>

struct buf;
struct MHD_Connection;

/* Appends the answers as they go out. `text` is that of a message (wire/httpmsg.h), n bytes. 0: it
 * is no such text, or there is no memory; then `out` is not to be sent. */
int web_interim_put(struct buf *out, const char *text, size_t n);

/* Sends them, if the text is sound and the socket has room at once. If only a part went out, it
 * ends the connection. n may be 0. */
void web_interim_send(struct MHD_Connection *c, const char *text, size_t n);

#endif
