/* SPDX-License-Identifier: MIT */
/* listen.h - a listening socket from a text: "host:port", or "unix:PATH". */
#ifndef LISTEN_H
#define LISTEN_H

#include <stddef.h>

#include "base/err.h"

/* Binds and listens on `address`: "127.0.0.1:8080", "[::1]:8080", ":8080" or "*:8080" (every
 * address of both families), or "unix:PATH". Port 0 is any free port. The file of a UNIX socket
 * that nobody listens on is replaced. Writes the real address, in the same form, to bound. Returns
 * the descriptor, which the caller closes, or -1 and fills e; `what` is the setting, for the
 * message. Any thread. */
int listen_on(const char *what, const char *address, char *bound, size_t cap, struct error *e);

/* Whether `fd` is a listening stream socket, of TCP or UNIX. Writes its real address to bound, as
 * listen_on() does; an abstract UNIX socket is "unix:@NAME". INVAL: it is no such socket; `what`
 * names it. The caller keeps the descriptor. */
enum err listen_inspect(const char *what, int fd, char *bound, size_t cap, struct error *e);

/* Whether a socket with the real address `bound` is what listen_on() would make of `address`. Names
 * of hosts are not looked up. */
int listen_is_at(const char *address, const char *bound);

/* Whether listen_on() could use the host of an address, whatever its port: nothing listens. Of a
 * UNIX socket only the length of its path is checked. */
enum err listen_check(const char *what, const char *address, struct error *e);

/* Whether the address is that of a UNIX socket. */
int listen_is_unix(const char *address);

/* Removes the file of a UNIX socket, unless somebody listens on it. Other addresses have none. */
void listen_remove(const char *address);

/* Splits "host:port", without a look-up. INVAL: the port is missing or not 0 to 65535. host has no
 * brackets. Both outputs are cut to their size. */
enum err listen_split(const char *address, char *host, size_t host_cap, char *port, size_t port_cap,
                      struct error *e);

#endif
