/* SPDX-License-Identifier: MIT */
#include "node/node_tls.h"

#include <stddef.h>

#include "base/identity.h"
#include "http/credentials.h"
#include "http/tls.h"
#include "node/settings.h"

/* *out is NULL if no setting names a file. */
static enum err read_files(const struct settings *s, struct identity **out, struct error *e)
{
    const struct identity_paths paths = {s->tls_cert, s->tls_key, s->tls_ca};

    *out = NULL;
    if (!paths.cert && !paths.key && !paths.ca)
        return ERR_OK;
    *out = identity_read(&paths, e);
    return *out ? ERR_OK : e->code;
}

enum err node_tls_start(struct node_tls *t, const struct settings *s, struct error *e)
{
    int auth = tls_auth_from_name(s->tls_client_auth);

    if (read_files(s, &t->identity, e))
        return e->code;
    if (!t->identity)
        return ERR_OK;
    if (!t->identity->cert)
        return credentials_check(t->identity, e);
    t->server = tls_new(t->identity, auth < 0 ? TLS_AUTH_ALL : (enum tls_auth)auth, e);
    return t->server ? ERR_OK : e->code;
}

void node_tls_deinit(struct node_tls *t)
{
    tls_free(t->server);
    identity_unref(t->identity);
}

enum err node_tls_check(const struct settings *s, struct error *e)
{
    struct node_tls t = {NULL, NULL};
    enum err failed = node_tls_start(&t, s, e);

    node_tls_deinit(&t);
    return failed;
}

enum err node_tls_read(const struct settings *s, struct node_tls_next *next, struct error *e)
{
    next->credentials = NULL;
    if (read_files(s, &next->identity, e))
        return e->code;
    if (!next->identity)
        return ERR_OK;
    if (!next->identity->cert)
        return credentials_check(next->identity, e);
    next->credentials = credentials_new(next->identity, e);
    return next->credentials ? ERR_OK : e->code;
}

void node_tls_take(struct node_tls *t, struct node_tls_next *next)
{
    if (t->server && next->credentials) {
        tls_replace(t->server, next->credentials);
        next->credentials = NULL;
    }
    identity_unref(t->identity);
    t->identity = next->identity;
    next->identity = NULL;
    node_tls_drop(next);
}

void node_tls_drop(struct node_tls_next *next)
{
    credentials_unref(next->credentials);
    identity_unref(next->identity);
    next->credentials = NULL;
    next->identity = NULL;
}
