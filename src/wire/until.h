/* SPDX-License-Identifier: MIT */
/* until.h - until when another node may still carry out a set.
 *
 * A node that gives up a set tells its client so, and the client may set another value by another
 * node. The bytes of the first set may still be on their way. So a set says until when it may be
 * carried out (batch.h), and its sender does not give it up before. That time is one of the clock
 * of the node that is told. Each answer to a change has this clock (HEADER_CLOCK). It was read
 * between the request and the answer. So at the time of the answer it says as much, or more: the
 * time that the sender computes is never later than the time that it means.
 *
 * Pure functions, but for until_clock(). */
#ifndef UNTIL_H
#define UNTIL_H

#include <stdint.h>

/* What is known of another node's clock; guarded by the caller. Zero at first. */
struct until {
    int known;
    uint64_t lead_ms; /* its clock is that much ahead of clock_ms() here, or more; modulo 2^64 */
    uint64_t at_ms;   /* clock_ms() when it was heard */
};

/* This process's clock for sets, in milliseconds, never 0. It goes on while the machine sleeps.
 * Another process has another clock. Any thread. */
uint64_t until_clock(void);

/* Whether it is too late by this clock for a set that says `until`. A time far ahead is that of
 * another process, which the node was before; 0 is never a time. */
int until_is_past(uint64_t until, uint64_t clock);

/* An answer has come at now_ms, to a request of asked_ms or later, and says `theirs`. */
void until_heard(struct until *u, uint64_t theirs, uint64_t asked_ms, uint64_t now_ms);

/* The other node's clock at a clock_ms() time from now on, at least; 0: it is not known. */
uint64_t until_at(const struct until *u, uint64_t at_ms);

#endif
