/* SPDX-License-Identifier: MIT */
#include "node/watchdog.h"

#include <pthread.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/gate.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/notify.h"
#include "base/thread.h"
#include "net/net.h"
#include "node/node_servers.h"
#include "node/workers.h"

/* The manager is told three times in its time, so that one late word does no harm. */
enum { PARTS = 3, LOOKS = 20, LOOK_MIN_MS = 5, LOOK_MAX_MS = 100, SIGNS = 3 };

/* Some threads, which must all have turned. */
struct sign {
    const char *name;
    int (*turned)(void *arg);
    void *arg;
    int seen; /* 1: they have, in this part */
};

struct watchdog {
    struct sign signs[SIGNS]; /* the thread's */
    uint64_t part_ms;
    struct gate quit;
    pthread_t thread;
};

static int servers_turned(void *arg)
{
    return node_servers_turned(arg);
}

static int network_turned(void *arg)
{
    return net_turned(arg);
}

static int crew_turned(void *arg)
{
    return workers_turned(arg);
}

/* Wakes all threads; what they did before does not count. */
static void begin(struct watchdog *w)
{
    int i;

    for (i = 0; i < SIGNS; i++) {
        w->signs[i].turned(w->signs[i].arg);
        w->signs[i].seen = 0;
    }
}

/* The first sign that has not been seen, or NULL. */
static const struct sign *missing(struct watchdog *w)
{
    const struct sign *first = NULL;
    int i;

    for (i = 0; i < SIGNS; i++) {
        struct sign *s = &w->signs[i];

        if (!s->seen)
            s->seen = s->turned(s->arg);
        if (!s->seen && !first)
            first = s;
    }
    return first;
}

/* Until all have turned. 0: the thread must end. */
static int wait_for_signs(struct watchdog *w, uint64_t look_ms)
{
    uint64_t due_ms = clock_real_ms() + w->part_ms;
    const struct sign *s;
    int said = 0;

    while ((s = missing(w))) {
        if (!said && clock_real_ms() >= due_ms) {
            said = 1;
            log_error("node", "threads do not turn: the service manager gets no sign of life",
                      "threads=%s ms=%llu", s->name, (unsigned long long)w->part_ms);
        }
        if (gate_wait(&w->quit, look_ms))
            return 0;
    }
    return 1;
}

static void *watchdog_main(void *arg)
{
    struct watchdog *w = arg;
    uint64_t look_ms = w->part_ms / LOOKS;

    look_ms = look_ms < LOOK_MIN_MS ? LOOK_MIN_MS : look_ms > LOOK_MAX_MS ? LOOK_MAX_MS : look_ms;
    do {
        begin(w);
        if (!wait_for_signs(w, look_ms))
            break;
        notify_alive();
    } while (!gate_wait(&w->quit, w->part_ms - look_ms));
    return NULL;
}

enum err watchdog_start(struct node_servers *servers, struct net *net, struct workers *workers,
                        struct watchdog **out, struct error *e)
{
    struct watchdog *w;

    *out = NULL;
    if (!notify_watchdog_ms())
        return ERR_OK;
    w = mem_zalloc(sizeof(*w));
    w->part_ms = notify_watchdog_ms() / PARTS + 1;
    w->signs[0] = (struct sign){"http", servers_turned, servers, 0};
    w->signs[1] = (struct sign){"net", network_turned, net, 0};
    w->signs[2] = (struct sign){"lua", crew_turned, workers, 0};
    gate_init(&w->quit);
    if (thread_start(&w->thread, "watchdog", 0, watchdog_main, w, e)) {
        gate_deinit(&w->quit);
        mem_free(w);
        return e->code;
    }
    *out = w;
    return ERR_OK;
}

void watchdog_stop(struct watchdog *w)
{
    if (!w)
        return;
    gate_open(&w->quit);
    pthread_join(w->thread, NULL);
    gate_deinit(&w->quit);
    mem_free(w);
}
