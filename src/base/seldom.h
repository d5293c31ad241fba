/* SPDX-License-Identifier: MIT */
/* seldom.h - keeps log lines of one kind to one a second, and counts those that are not written.
 *
 * Any thread. */
#ifndef SELDOM_H
#define SELDOM_H

#include <stdatomic.h>

/* Zero at first. */
struct seldom {
    atomic_uint_fast64_t last_ms; /* clock_ms() of the last line, plus 1 */
    atomic_uint count;            /* events since then */
};

/* An event has happened. Returns the number of events that a line is to be written for now, with
 * this one; 0: no line, since the last one is less than a second old. */
unsigned seldom_count(struct seldom *s);

#endif
