/* SPDX-License-Identifier: MIT */
/* gate.h - a thread waits until another thread has finished something and opens the gate, once.
 *
 * A gate is embedded beside the result. The result is written before gate_open(), and read after
 * gate_wait() has returned 1. */
#ifndef GATE_H
#define GATE_H

#include <pthread.h>
#include <stdint.h>

struct gate {
    pthread_mutex_t mu;
    pthread_cond_t cond;
    int open; /* guarded by mu */
};

#define GATE_FOR_EVER UINT64_MAX

void gate_init(struct gate *g);
void gate_deinit(struct gate *g);

/* Any thread, once. The gate may be freed before this returns. */
void gate_open(struct gate *g);

/* Blocks until the gate is open, for timeout_ms of real time at most. 1: it is open, and the thread
 * that opened it does not touch it any more. */
int gate_wait(struct gate *g, uint64_t timeout_ms);

#endif
