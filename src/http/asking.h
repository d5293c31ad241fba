/* SPDX-License-Identifier: MIT */
/* asking.h - asks a key function for the key of a request.
 *
 * The connection is suspended while a VM answers, and the job runs again with the key. So the
 * function may look at all of the request, and an HTTP thread never runs it.
 *
 * HTTP threads, for the connection that is being handled; the answer is noted by any thread. */
#ifndef ASKING_H
#define ASKING_H

#include "cache/keyask.h"

struct asked;
struct job;
struct parking;

/* Embedded in the struct of a job's kind; zero: the request has its key. */
struct asking {
    int due;                 /* 1: the request has no key yet */
    int ended;               /* written before the connection is resumed */
    struct parking *parking; /* of its job */
    struct keyask ask;
};

/* The key of the job's request is to be made. Copies the path and the query. */
void asking_init(struct asking *k, struct job *j, const struct asked *a);
void asking_deinit(struct asking *k);

/* Asks, and suspends the job's connection; the job runs again with the answer. Returns what the
 * job's run() is to return. */
int asking_start(struct asking *k, struct job *j);

/* The job runs again: hands the key over, for mem_free(). NULL: there is none, and the request was
 * answered, with *ok. */
char *asking_take(struct asking *k, struct job *j, size_t *len, int *ok);

#endif
