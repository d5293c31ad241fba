/* SPDX-License-Identifier: MIT */
/* auth.h - the proof that a request comes from a node that knows the cluster's secret.
 *
 *   X-Groupcache-Auth: v1 t=<ms> n=<32 hex digits> [b=<64 hex digits>] s=<64 hex digits>
 *
 * t is the time of the request, in milliseconds since 1970, n a number that is used once, b the
 * SHA-256 of the body, left out if there is none. s is the HMAC-SHA256 with the secret of these
 * lines, each with a line end: "groupcache v1", the method, the target, t, n, and b, "-" if it is
 * left out. b stands in the header, so a request is judged before its body arrives.
 *
 * Any thread. */
#ifndef AUTH_H
#define AUTH_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct buf;
struct secrets;

#define HEADER_AUTH "X-Groupcache-Auth"

enum { AUTH_NONCE_BYTES = 16, AUTH_DIGEST_BYTES = 32, AUTH_SKEW_MS = 30 * 1000 };

/* The request, as its line says. */
struct auth_request {
    const char *method, *target;
};

/* What a good header says. */
struct auth_claim {
    unsigned char nonce[AUTH_NONCE_BYTES];
    unsigned char body[AUTH_DIGEST_BYTES];
    int has_body; /* 1: `body` is the digest of the body that must follow */
};

/* The present secrets of a node, which a reload replaces. Borrows s. */
struct auth;
struct auth *auth_new(struct secrets *s);
void auth_replace(struct auth *a, struct secrets *s);
void auth_free(struct auth *a); /* NULL is fine */

/* Appends the header line, with its NUL. n bytes of body; 0: none. */
enum err auth_put(struct buf *out, struct auth *a, const struct auth_request *r, const void *body,
                  size_t n);

/* Reads and judges the header's value (NULL: it is missing). INVAL: it is missing or malformed, no
 * present secret has signed it, or its time differs from ours by more than AUTH_SKEW_MS. The time
 * that this takes does not depend on the secrets' bytes. */
enum err auth_check(struct auth *a, const struct auth_request *r, const char *value,
                    struct auth_claim *out, struct error *e);

/* Notes the nonce for twice AUTH_SKEW_MS: as long as its request could be sent again. INVAL: it was
 * noted before. BUSY: too many are noted. */
enum err auth_use_once(struct auth *a, const struct auth_claim *c, struct error *e);

/* Whether the claim has the digest of these n bytes. */
int auth_is_body(const struct auth_claim *c, const void *bytes, size_t n);

#endif
