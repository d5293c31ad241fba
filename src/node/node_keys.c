/* SPDX-License-Identifier: MIT */
#include "node/node_keys.h"

#include <stddef.h>
#include <string.h>

#include "base/identity.h"
#include "base/secrets.h"
#include "http/credentials.h"
#include "http/listen.h"
#include "http/tls.h"
#include "node/settings.h"
#include "wire/auth.h"

/* *out is NULL if no setting names a file. */
static enum err read_identity(const struct settings *s, struct identity **out, struct error *e)
{
    const struct identity_paths paths = {s->tls_cert, s->tls_key, s->tls_ca};

    *out = NULL;
    if (!paths.cert && !paths.key && !paths.ca)
        return ERR_OK;
    *out = identity_read(&paths, e);
    return *out ? ERR_OK : e->code;
}

/* *out is NULL if there is no setting. */
static enum err read_secrets(const struct settings *s, struct secrets **out, struct error *e)
{
    *out = NULL;
    if (!s->peer_secret && !s->peer_secret_file)
        return ERR_OK;
    *out = secrets_read(s->peer_secret, s->peer_secret_file, e);
    return *out ? ERR_OK : e->code;
}

static enum err start_server(struct node_keys *k, const struct settings *s, struct error *e)
{
    int auth = tls_auth_from_name(s->tls_client_auth);

    if (!k->identity)
        return ERR_OK;
    if (!k->identity->cert)
        return credentials_check(k->identity, e);
    k->server = tls_new(k->identity, auth < 0 ? TLS_AUTH_ALL : (enum tls_auth)auth, e);
    return k->server ? ERR_OK : e->code;
}

/* The settings are checked. */
static unsigned faces_of(const char *name)
{
    if (strcmp(name, "all") == 0)
        return SERVER_DATA;
    return strcmp(name, "peers") == 0 ? SERVER_PEERS : SERVER_CLIENTS;
}

struct tls *node_keys_of(const struct node_keys *k, unsigned faces, const char *address)
{
    return faces & k->faces && !listen_is_unix(address) ? k->server : NULL;
}

static enum err start(struct node_keys *k, const struct settings *s, int checking, struct error *e)
{
    struct secrets *secrets;

    k->faces = faces_of(s->tls_faces);
    if (read_identity(s, &k->identity, e) || start_server(k, s, e) || read_secrets(s, &secrets, e))
        return e->code;
    if (secrets)
        k->auth = auth_new(secrets);
    secrets_unref(secrets);
    if (k->server)
        credentials_log_time(k->identity, checking);
    return ERR_OK;
}

enum err node_keys_start(struct node_keys *k, const struct settings *s, struct error *e)
{
    return start(k, s, 0, e);
}

void node_keys_deinit(struct node_keys *k)
{
    auth_free(k->auth);
    tls_free(k->server);
    identity_unref(k->identity);
}

enum err node_keys_check(const struct settings *s, struct error *e)
{
    struct node_keys k = {.identity = NULL};
    enum err failed = start(&k, s, 1, e);

    node_keys_deinit(&k);
    return failed;
}

enum err node_keys_read(const struct settings *s, struct node_keys_next *next, struct error *e)
{
    memset(next, 0, sizeof(*next));
    if (read_identity(s, &next->identity, e) || read_secrets(s, &next->secrets, e))
        return e->code;
    if (!next->identity)
        return ERR_OK;
    if (!next->identity->cert)
        return credentials_check(next->identity, e);
    next->credentials = credentials_new(next->identity, e);
    return next->credentials ? ERR_OK : e->code;
}

void node_keys_take(struct node_keys *k, struct node_keys_next *next)
{
    if (k->server && next->credentials) {
        tls_replace(k->server, next->credentials);
        next->credentials = NULL;
        credentials_log_time(next->identity, 0);
    }
    if (k->auth && next->secrets)
        auth_replace(k->auth, next->secrets);
    identity_unref(k->identity);
    k->identity = next->identity;
    next->identity = NULL;
    node_keys_drop(next);
}

void node_keys_drop(struct node_keys_next *next)
{
    secrets_unref(next->secrets);
    credentials_unref(next->credentials);
    identity_unref(next->identity);
    memset(next, 0, sizeof(*next));
}
