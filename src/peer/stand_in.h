/* SPDX-License-Identifier: MIT */
/* stand_in.h - loads of keys at a node that stands in for their owner.
 *
 * A change tells the owner first and all others at once after it. So a load that asks a stand-in
 * may bring the old value, although its node was told already. The node that makes the change must
 * know of such loads (change/rounds.c): the asking node marks its request (HEADER_STAND_IN), and
 * the stand-in notes when it got the last one.
 *
 * Any thread. */
#ifndef STAND_IN_H
#define STAND_IN_H

#include <stddef.h>
#include <stdint.h>

struct fetch_opts;
struct flight;
struct peers;

/* Appends the header to those of a request for the keys of n flights, if any of these loads is sent
 * to another node than the owner. `headers` has room for one more than o->n_headers. */
void stand_in_put(struct fetch_opts *o, const char **headers, struct flight *const *flights,
                  size_t n);

/* A request with the header has arrived here. To be called before its keys are looked up. */
void stand_in_note(struct peers *p);

/* When that was the last time, in clock_ms() time; 0: never. */
uint64_t stand_in_noted_ms(const struct peers *p);

/* How many milliseconds ago, less by one, so that it does not seem older than it is; UINT64_MAX:
 * never. */
uint64_t stand_in_ago_ms(const struct peers *p);

#endif
