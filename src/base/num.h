/* SPDX-License-Identifier: MIT */
/* num.h - decimal numbers from outside: from headers, addresses, files.
 *
 * libc's functions accept signs, spaces and prefixes, ignore the text behind the digits, and some
 * of them do not report an overflow. Here a number is digits and nothing else. Leading zeros are
 * allowed, as HTTP has it.
 *
 * Pure functions, any thread. */
#ifndef NUM_H
#define NUM_H

#include <stddef.h>
#include <stdint.h>

/* Reads the n bytes at s as a number of at most max. Returns 1, and the number in *out. 0: it is no
 * number, and *out is 0; or it is above max, and *out is max, for callers that round down. */
int num_parse_u64(const char *s, size_t n, uint64_t max, uint64_t *out);

/* How many digits a text begins with. */
size_t num_digits(const char *text);

#endif
