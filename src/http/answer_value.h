/* SPDX-License-Identifier: MIT */
/* answer_value.h - the answer to a get: its value or its error.
 *
 * HTTP threads only, for the connection that is being handled. */
#ifndef ANSWER_VALUE_H
#define ANSWER_VALUE_H

struct answer_to;
struct group;
struct result;

/* Returns what MHD's access handler returns. Takes the reference to r->item, and drops it after the
 * last byte. */
int answer_value(const struct answer_to *to, struct group *g, struct result *r);

#endif
