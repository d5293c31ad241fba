/* SPDX-License-Identifier: MIT */
/* getter.h - a load that runs in a VM: a task (task.h) of one flight, which it always ends: with
 * the getter's value or with an error (outcome.h). VM's thread only. */
#ifndef GETTER_H
#define GETTER_H

struct flight;
struct vm;

/* Runs the flight's getter until it waits or ends. Takes the loader's reference to f. Calls ended()
 * once, before the flight ends. */
void getter_start(struct vm *vm, struct flight *f, void (*ended)(struct flight *f));

#endif
