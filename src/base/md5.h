/* SPDX-License-Identifier: MIT */
/* md5.h - MD5 (RFC 1321), with which some rings name their points. Nothing is kept secret by it.
 *
 * A pure function, any thread. */
#ifndef MD5_H
#define MD5_H

#include <stddef.h>

enum { MD5_HEX = 32 };

/* The digest of n bytes in lower-case hex, without a NUL behind it. */
void md5_hex(char out[MD5_HEX], const void *bytes, size_t n);

#endif
