/* SPDX-License-Identifier: MIT */
/* constants.h - the constants of a script, which its first VM has made and all its VMs read.
 *
 * They are counted in the order in which the script asks for them. Each has the place of its call:
 * it shows whether a script asks in another order. Any thread. */
#ifndef CONSTANTS_H
#define CONSTANTS_H

#include <stddef.h>

#include "base/err.h"

struct constants;
struct frozen;

struct constants *constants_new(void); /* one reference */
struct constants *constants_ref(struct constants *cs);
void constants_unref(struct constants *cs); /* NULL is fine */

/* A reference to the constant of that number, from 0 on; NULL: it is not made yet. INVAL: it was
 * made at another place, which the message names. */
enum err constants_find(struct constants *cs, size_t number, const char *where, struct frozen **out,
                        struct error *e);

/* Adds the next constant, made at that place; takes a reference of its own. */
void constants_add(struct constants *cs, const char *where, struct frozen *f);

#endif
