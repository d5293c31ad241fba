/* SPDX-License-Identifier: MIT */
/* keyers.h - the VMs that make keys of requests, by the key functions of a script.
 *
 * They are workers of their own, beside the crew: a hit must not wait for a getter that computes or
 * blocks. A script without a key function has none of them. Like the crew they are watched, and
 * replaced when stuck or at a reload.
 *
 * The node's thread starts, reloads and stops; its watch thread watches; any thread asks. */
#ifndef KEYERS_H
#define KEYERS_H

#include <stdint.h>

#include "cache/keyask.h"
#include "node/workers.h"

struct keyers;

/* How many VMs a node with so many HTTP threads has, if its script has a key function. */
unsigned keyers_count(uint64_t threads);

/* As workers_start(); `threads` are those that ask. Of `o` the number, the loop and the kind are
 * not used. */
struct keyers *keyers_start(const struct workers_opts *o, uint64_t threads, struct vm *control,
                            struct script *script, struct error *e);

/* As the functions of workers.h. */
struct workers_next *keyers_next(struct keyers *k, struct vm *control, struct script *script,
                                 struct error *e);
void keyers_reload(struct keyers *k, struct workers_next *next);

/* Any thread: done() is called once, at once or by another thread, within some seconds. Takes the
 * request's text. */
void keyers_ask(struct keyers *k, struct keyask *a);

/* To be called some times a second: replaces stuck VMs, ends what has waited for too long. */
void keyers_watch(struct keyers *k, uint64_t now_ms);

/* As workers_helpless_since_ms(). */
uint64_t keyers_helpless_since_ms(const struct keyers *k);

/* Any thread: as workers_stats(). */
void keyers_stats(struct keyers *k, struct workers_stats *out);

/* Ends every question with CLOSED, now and later. NULL is fine, as below. */
void keyers_close(struct keyers *k);

/* After keyers_close(), as workers_stop(). */
int keyers_stop(struct keyers *k);

/* After keyers_stop() said 1. */
void keyers_free(struct keyers *k);

#endif
