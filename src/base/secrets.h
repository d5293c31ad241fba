/* SPDX-License-Identifier: MIT */
/* secrets.h - the secrets that the nodes of a cluster share. The first one signs, each of them may
 * have signed what arrives: so a cluster can change from one to another.
 *
 * Never changed once made, and counted. Any thread. */
#ifndef SECRETS_H
#define SECRETS_H

#include <stdatomic.h>
#include <stddef.h>

#include "base/err.h"

enum { SECRETS_MOST = 8, SECRETS_MIN_BYTES = 16 };

struct secrets {
    atomic_uint refs;
    size_t n; /* 1 to SECRETS_MOST */
    char *list[SECRETS_MOST];
};

/* Secrets of a text, parted by commas, then those of a file, one a line. Either may be NULL; spaces
 * at the ends of a secret do not count. Returns a reference, or NULL and e. INVAL: the file cannot
 * be read, there is no secret or more than SECRETS_MOST, or one is shorter than SECRETS_MIN_BYTES.
 * No message has a secret. */
struct secrets *secrets_read(const char *text, const char *path, struct error *e);

struct secrets *secrets_ref(struct secrets *s);
void secrets_unref(struct secrets *s); /* NULL is fine */

#endif
