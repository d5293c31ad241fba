/* SPDX-License-Identifier: MIT */
/* num.h - decimal numbers from outside (headers, addresses, files), and doubles as text. The locale
 * of the process has no influence.
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

/* Reads the n bytes at s as a number of at most max. Returns 1 and sets *out. 0: the text is no
 * number, and *out is 0; or the number is above max, and *out is max, for callers that round down.
 */
int num_parse_u64(const char *s, size_t n, uint64_t max, uint64_t *out);

/* The number of digits at the start of a text. */
size_t num_digits(const char *text);

/* Writes a finite double so that reading the text gives the same double: whole numbers up to 2^53
 * as digits alone, others with the fewest digits. Returns the length. */
enum { NUM_DOUBLE_MAX = 32 };
size_t num_put_double(char out[NUM_DOUBLE_MAX], double x);

/* Reads the text of a number as the nearest double. The text ends at a byte that is no part of a
 * number; *end is there. */
double num_get_double(const char *text, const char **end);

/* Whether the double x is exactly the whole number of the n digits at s. */
int num_is_exact(const char *s, size_t n, double x);

#endif
