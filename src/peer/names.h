/* SPDX-License-Identifier: MIT */
/* names.h - the addresses of host names, looked up by a thread of its own.
 *
 * libc's resolver may wait for many seconds, so no other thread asks it. A name is looked up when
 * it is first wanted, then every half minute, and sooner after names_again(). The thread starts
 * with the first name. It is not joined: a lookup may take long. When its last user is gone, it
 * frees itself.
 *
 * Any thread. */
#ifndef NAMES_H
#define NAMES_H

#include <stddef.h>

#include "base/address.h"

struct name;
struct names;

struct names *names_new(void);
struct names *names_ref(struct names *ns);
void names_unref(struct names *ns); /* NULL is fine */

/* A reference to the entry of a name of n bytes, to be given back. */
struct name *names_get(struct names *ns, const char *host, size_t n);
void names_give_back(struct name *name); /* NULL is fine */

/* Whether the last lookup of the name that succeeded has given this address. */
int names_have(const struct name *name, const struct address *a);

/* Looks all names up again, now, but at most once a second. */
void names_again(struct names *ns);

/* Waits until every name that is wanted now was looked up once. For specs. */
void names_settle(struct names *ns);

#endif
