/* SPDX-License-Identifier: MIT */
/* credentials.h - what a server shows and believes, read from an identity by GnuTLS.
 *
 * Never changed once made, and counted: each connection has a reference. Any thread. */
#ifndef CREDENTIALS_H
#define CREDENTIALS_H

#include "base/err.h"

struct credentials;
struct gnutls_session_int;
struct identity;

/* Reads certificate, key and CA (which may be missing), and makes a key for session tickets.
 * Returns a reference, or NULL and e. INVAL: a text cannot be read, or key and certificate do not
 * fit together. */
struct credentials *credentials_new(const struct identity *id, struct error *e);

/* Logs until when the certificate of an identity is valid: a warning if it has expired, or is not
 * valid yet. */
void credentials_log_time(const struct identity *id, int warnings_only);

/* Whether an identity can be used, also if it has a CA only. */
enum err credentials_check(const struct identity *id, struct error *e);

struct credentials *credentials_ref(struct credentials *c);
void credentials_unref(struct credentials *c); /* NULL is fine */

/* Gives them to a new session, which c outlives. 0: GnuTLS has no memory. */
int credentials_use(struct credentials *c, struct gnutls_session_int *session);

#endif
