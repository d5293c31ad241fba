/* SPDX-License-Identifier: MIT */
/* changing.h - a change over all nodes that a client's request makes, and its answer.
 *
 * The connection is suspended until every node has confirmed or failed. The answer is 204 if all
 * have confirmed. If some have not, it is 502, with the list of their URLs.
 *
 * HTTP threads, for the connection that is being handled; the end of the change is noted by any
 * thread. */
#ifndef CHANGING_H
#define CHANGING_H

#include "base/buf.h"
#include "base/err.h"
#include "change/change.h"

struct job;
struct parking;

/* Embedded in the struct of a job's kind. */
struct changing {
    struct parking *parking; /* of its job */

    /* Written before the connection is resumed. */
    int ended;
    struct error err;
    struct buf unconfirmed; /* JSON list of the unconfirmed nodes */
};

void changing_init(struct changing *c);
void changing_deinit(struct changing *c);

/* Starts the change and suspends the job's connection; the job runs again at the end of the change.
 * Fills in o's group, done and ctx. If too many connections are suspended, answers instead. Returns
 * what the job's run() is to return. */
int changing_start(struct changing *c, struct job *j, struct change_opts *o);

int changing_has_ended(const struct changing *c);

/* Answers the request; the change has ended. */
int changing_answer(struct changing *c, struct job *j);

#endif
