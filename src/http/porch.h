/* SPDX-License-Identifier: MIT */
/* porch.h - where a connection waits until the head of its request is complete.
 *
 * libmicrohttpd is given most connections at once. A head in several pieces, or one that needs more
 * memory than others, is taken here instead (move.c): we read it to its end, and libmicrohttpd then
 * reads it at once. So no two unfinished heads stand side by side, and a small pool of memory does
 * for most connections.
 *
 * One porch for each HTTP thread, which is the only one to call. */
#ifndef PORCH_H
#define PORCH_H

#include <stdatomic.h>
#include <stddef.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/err.h"

enum {
    PORCH_LINE_BYTES =
        8 * 1024 + 256,          /* a name and a value; the first line, unless keys are long */
    PORCH_HEAD_BYTES = 32 * 1024 /* all lines; as nginx has it */
};

/* A connection and the beginning of its request. */
struct porch_guest {
    int fd; /* owned, not blocking */
    socklen_t addr_len;
    struct sockaddr_storage addr;
    struct buf head; /* raw bytes, taken from the socket */
    int roomy;       /* 1: needs more memory than others */
    int refuse;      /* the status of a refusal, with which the connection ends; 0: none */
};

struct porch_opts {
    /* Takes what the guest owns: its head is complete, and nothing behind it was read. */
    void (*complete)(void *ctx, struct porch_guest *g);
    void *ctx;
    atomic_uint *guests; /* counts those of all threads; outlives the porch */
    unsigned max_guests;
    size_t max_target; /* bytes: how long a first line may be */
};

/* How large a head may be, bytes: more than PORCH_HEAD_BYTES if a first line may be long. */
size_t porch_max_head(size_t max_target);

/* Starts the thread's porch. Returns the descriptor that is readable when there is work, or -1. */
int porch_open(const struct porch_opts *o, struct error *e);

/* Whether a further guest may come. */
int porch_has_room(void);

/* Takes what the guest owns. porch_run() is to follow before the thread sleeps. */
void porch_enter(const struct porch_guest *g);

/* Whether there are guests. */
int porch_is_used(void);

/* Does what there is to do, without waiting. */
void porch_run(void);

/* Closes the connections of all guests. */
void porch_close(void);

#endif
