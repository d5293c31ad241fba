/* SPDX-License-Identifier: MIT */
/* helpless.h - a node of which all workers of a crew are stuck in C functions, and none can be
 * replaced any more (workers.h). If it is the crew that takes loads, the node answers hits, and
 * every load ends with TIMEOUT. If it is that of key functions, every request for such a key does.
 *
 * It says so: it is not ready. After a time the process ends, if it belongs to the node, so that
 * its supervisor starts it anew. */
#ifndef HELPLESS_H
#define HELPLESS_H

#include <stdatomic.h>
#include <stdint.h>

struct helpless {
    uint64_t timeout_ms; /* set once, like may_exit; 0: the process never ends for this */
    int may_exit;        /* 1: the process is groupcached, and nothing but the node */
    atomic_int now;      /* atomic: it is so */
    atomic_int gave_up;  /* atomic: the process was told to end */
};

/* To be called some times a second, by one thread. It is so since since_ms; 0: it is not. Logs when
 * it begins and ends. When it has been so for timeout_ms and may_exit is 1, the process gets
 * SIGTERM. */
void helpless_look(struct helpless *h, uint64_t since_ms, uint64_t now_ms);

#endif
