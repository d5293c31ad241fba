/* SPDX-License-Identifier: MIT */
/* identity.h - the certificate that a node shows, its key, and the CA that it believes: three texts
 * in PEM, read from files.
 *
 * An identity never changes. A reload reads the files again and makes a new identity; whoever uses
 * the old one keeps a reference. What the texts mean is known to http/tls.h and net/fetch.h. Any
 * thread. */
#ifndef IDENTITY_H
#define IDENTITY_H

#include <stdatomic.h>
#include <stddef.h>

#include "base/err.h"

struct identity {
    atomic_uint refs;
    char *cert, *key, *ca; /* owned, each with a NUL behind its end; NULL: not given */
    size_t cert_len, key_len, ca_len;
};

/* The paths, each NULL if it is not set. */
struct identity_paths {
    const char *cert, *key, *ca;
};

/* Reads the files, of 1 MiB at most each. Returns a reference, or NULL and e. INVAL: a file cannot
 * be read or is empty, or one of certificate and key is missing. The message has the setting and
 * the path. */
struct identity *identity_read(const struct identity_paths *paths, struct error *e);

struct identity *identity_ref(struct identity *id);
void identity_unref(struct identity *id); /* NULL is fine */

#endif
