/* SPDX-License-Identifier: MIT */
/* keycall.h - a call of a group's key function: a task (task.h) that makes the key of one request.
 *
 * The function cannot wait. It may compute for 50 ms of processor time, and block for a second. */
#ifndef KEYCALL_H
#define KEYCALL_H

#include "cache/keyask.h"
#include "script/task.h"

struct group;
struct vm;

struct keycall {
    struct task task;              /* keycall.c's own */
    struct group *group;           /* a reference of the caller, as is all that follows */
    struct keyask_request request; /* the caller's to free */

    /* The VM's thread, once: the call has ended. May free the call. */
    void (*ended)(struct keycall *c);

    /* The answer, as in struct keyask. */
    char *key;
    size_t key_len;
    struct error err;
    int status;
};

/* The VM's thread: calls the function that the VM has for the group. CLOSED if it has none. */
void keycall_start(struct vm *vm, struct keycall *c);

#endif
