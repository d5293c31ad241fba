/* SPDX-License-Identifier: MIT */
/* node_listen.h - the sockets of a node, and the errors when an address is taken. */
#ifndef NODE_LISTEN_H
#define NODE_LISTEN_H

#include "base/err.h"

enum { NODE_ADDRESS_BYTES = 300 };

struct node_listen_opts {
    const char *data, *admin; /* the settings listen and admin_listen; admin may be NULL */
    int admin_moves;          /* admin is a default and may move to any free port */
};

struct node_sockets {
    int data, admin; /* -1: no socket */
    char address[NODE_ADDRESS_BYTES], admin_address[NODE_ADDRESS_BYTES];
};

/* Opens `listen` and `admin_listen`; one socket if they are the same. On an error the caller still
 * owns the open sockets. */
enum err node_listen(const struct node_listen_opts *o, struct node_sockets *out, struct error *e);

/* Whether a node could listen on their hosts, on any port. Opens nothing. */
enum err node_listen_check(const struct node_listen_opts *o, struct error *e);

#endif
