/* SPDX-License-Identifier: MIT */
/* httpdate.h - reads the dates of HTTP headers (RFC 9110, 5.6.7).
 *
 * A pure function, any thread. */
#ifndef HTTPDATE_H
#define HTTPDATE_H

#include <stddef.h>
#include <stdint.h>

/* Reads n bytes in one of the three forms: "Sun, 06 Nov 1994 08:49:37 GMT", the form of RFC 850,
 * and that of C's asctime(). Letters count in any case; all else must be exact. A year of two
 * digits is within 50 years of the year of `now`. Returns 1 and the Unix time in *out; 0: the text
 * is no such date. */
int httpdate_read(const char *text, size_t n, int64_t now, int64_t *out);

#endif
