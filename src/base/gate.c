/* SPDX-License-Identifier: MIT */
#include "base/gate.h"

#include <time.h>

void gate_init(struct gate *g)
{
    pthread_condattr_t attr;

    pthread_mutex_init(&g->mu, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&g->cond, &attr);
    pthread_condattr_destroy(&attr);
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

static struct timespec in_ms(uint64_t ms)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += (time_t)(ms / 1000);
    t.tv_nsec += (long)(ms % 1000) * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    return t;
}

int gate_wait(struct gate *g, uint64_t timeout_ms)
{
    struct timespec until = {0, 0};
    int open, late = 0;

    if (timeout_ms != GATE_FOR_EVER)
        until = in_ms(timeout_ms);
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
