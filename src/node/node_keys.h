/* SPDX-License-Identifier: MIT */
/* node_keys.h - what a node proves itself with, and believes: the files of the settings tls_*, and
 * the secrets that it shares with its peers.
 *
 * The node's thread. */
#ifndef NODE_KEYS_H
#define NODE_KEYS_H

#include "base/err.h"

struct auth;
struct credentials;
struct identity;
struct secrets;
struct settings;
struct tls;

/* All NULL at first, and if there is no setting. */
struct node_keys {
    struct identity *identity; /* a reference */
    struct tls *server;        /* NULL: the servers speak plain HTTP */
    unsigned faces;            /* enum server_face, or-ed: those that speak TLS */
    struct auth *auth;         /* NULL: requests of nodes are not signed */
};

/* What was read again, and is not used yet. */
struct node_keys_next {
    struct identity *identity; /* a reference, as are the next two */
    struct credentials *credentials;
    struct secrets *secrets;
};

/* Reads all files. INVAL: as identity_read(), tls_new(), credentials_new() and secrets_read() say.
 * The caller calls node_keys_deinit() after an error, too. */
enum err node_keys_start(struct node_keys *k, const struct settings *s, struct error *e);
void node_keys_deinit(struct node_keys *k);

/* The TLS of a server with these faces at that address; NULL: it speaks plain HTTP. */
struct tls *node_keys_of(const struct node_keys *k, unsigned faces, const char *address);

/* Whether node_keys_start() could read them. */
enum err node_keys_check(const struct settings *s, struct error *e);

/* A reload reads the files again in two steps: one that can fail, and one that cannot. The caller
 * calls one of take and drop. */
enum err node_keys_read(const struct settings *s, struct node_keys_next *next, struct error *e);
void node_keys_take(struct node_keys *k, struct node_keys_next *next);
void node_keys_drop(struct node_keys_next *next);

#endif
