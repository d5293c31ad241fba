/* SPDX-License-Identifier: MIT */
/* node_tls.h - the identity of a node: the files of the settings tls_*, which its servers show and
 * its peers are asked with.
 *
 * The node's thread. */
#ifndef NODE_TLS_H
#define NODE_TLS_H

#include "base/err.h"

struct credentials;
struct identity;
struct settings;
struct tls;

/* All NULL at first, and if there is no setting. */
struct node_tls {
    struct identity *identity; /* a reference */
    struct tls *server;        /* NULL: the servers speak plain HTTP */
};

/* Files that were read again, and are not used yet. */
struct node_tls_next {
    struct identity *identity; /* a reference */
    struct credentials *credentials;
};

/* Reads the files. INVAL: as identity_read(), tls_new() and credentials_new() say. */
enum err node_tls_start(struct node_tls *t, const struct settings *s, struct error *e);
void node_tls_deinit(struct node_tls *t);

/* Whether node_tls_start() could read them. */
enum err node_tls_check(const struct settings *s, struct error *e);

/* A reload reads the files again in two steps: one that can fail, and one that cannot. */
enum err node_tls_read(const struct settings *s, struct node_tls_next *next, struct error *e);
void node_tls_take(struct node_tls *t, struct node_tls_next *next);
void node_tls_drop(struct node_tls_next *next);

#endif
