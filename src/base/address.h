/* SPDX-License-Identifier: MIT */
/* address.h - an internet address as a value.
 *
 * An address of IPv4 is kept as IPv6 has it (::ffff:a.b.c.d, RFC 4291 2.5.5.2), so a client has one
 * address whatever the family of the socket that took its connection.
 *
 * Pure functions, any thread. */
#ifndef ADDRESS_H
#define ADDRESS_H

#include <stddef.h>

struct sockaddr;

struct address {
    unsigned char bytes[16];
};

enum {
    ADDRESS_BITS = 128,
    ADDRESS_V4_BITS = 32, /* the last bits of an address of IPv4 */
    ADDRESS_TEXT = 46     /* room for the text of an address, with its NUL */
};

/* The address of a socket's other end. 0: it has none, as for a UNIX socket. */
int address_of(const struct sockaddr *from, struct address *out);

/* An address that is written in digits, of n bytes, without brackets and port. 0: it is none. */
int address_parse(const char *text, size_t n, struct address *out);

/* Whether "HOST:PORT", with digits as an address is logged, is of this machine only. */
int address_is_loopback(const char *host_port);

int address_equal(const struct address *a, const struct address *b);

/* Clears the bits behind the first `bits`. 1: some of them were set. */
int address_clear_behind(struct address *a, unsigned bits);

/* Writes the text: IPv4 as a.b.c.d. Returns out. */
const char *address_put(const struct address *a, char out[ADDRESS_TEXT]);

#endif
