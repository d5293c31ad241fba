/* SPDX-License-Identifier: MIT */
/* constants.h - the constants of a script, which its first VM has made and all its VMs read.
 *
 * A constant is known by the place of the call that asks for it, and by how many calls of that
 * place came before. So it is the same in a VM that does not ask for all that the first VM asked
 * for: what only the function of another constant needs is asked for in the first VM alone. Any
 * thread. */
#ifndef CONSTANTS_H
#define CONSTANTS_H

#include <stddef.h>

struct constants;
struct frozen;

struct constants *constants_new(void); /* one reference */
struct constants *constants_ref(struct constants *cs);
void constants_unref(struct constants *cs); /* NULL is fine */

/* A reference to the constant of the nth call, from 1 on, at that place; NULL: it is not made yet.
 * *hint, at first 0, is where the search begins: VMs mostly ask in the same order. */
struct frozen *constants_find(struct constants *cs, const char *where, size_t nth, size_t *hint);

/* Adds the constant of that call; takes a reference of its own. */
void constants_add(struct constants *cs, const char *where, size_t nth, struct frozen *f);

#endif
