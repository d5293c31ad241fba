/* SPDX-License-Identifier: MIT */
#include "base/gate.h"

#include <time.h>

#include "base/clock.h"

void gate_init(struct gate *g)
{
    pthread_mutex_init(&g->mu, NULL);
    clock_cond_init(&g->cond);
    g->open = 0;
}

void gate_deinit(struct gate *g)
{
    pthread_cond_destroy(&g->cond);
    pthread_mutex_destroy(&g->mu);
}

void gate_open(struct gate *g)
{
    pthread_mutex_lock(&g->mu);
    g->open = 1;
    pthread_cond_signal(
        &g->cond); /* under mu: the waiting thread frees the gate as soon as it can */
    pthread_mutex_unlock(&g->mu);
}

int gate_wait(struct gate *g, uint64_t timeout_ms)
{
    struct timespec until = {0, 0};
    int open, late = 0;

    if (timeout_ms != GATE_FOR_EVER)
        until = clock_cond_in_ms(timeout_ms);
    pthread_mutex_lock(&g->mu);
    while (!g->open && !late) {
        if (timeout_ms == GATE_FOR_EVER)
            pthread_cond_wait(&g->cond, &g->mu);
        else
            late = pthread_cond_timedwait(&g->cond, &g->mu, &until) != 0;
    }
    open = g->open;
    pthread_mutex_unlock(&g->mu);
    return open;
}
