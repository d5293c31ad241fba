/* SPDX-License-Identifier: MIT */
/* node_listen.h - the sockets of a node, and what there is to say when one cannot be had. */
#ifndef NODE_LISTEN_H
#define NODE_LISTEN_H

#include "base/err.h"

enum { NODE_ADDRESS_BYTES = 300 };

struct node_listen_opts {
    const char *data, *admin; /* the settings listen and admin_listen; admin may be NULL */
    int admin_moves;          /* it is a default: any free port will do */
};

struct node_sockets {
    int data, admin; /* -1: none */
    char address[NODE_ADDRESS_BYTES], admin_address[NODE_ADDRESS_BYTES];
};

/* Opens what `listen` and `admin_listen` say, one when they are the same. On an error the caller
 * still owns what is open. */
enum err node_listen(const struct node_listen_opts *o, struct node_sockets *out, struct error *e);

/* Whether their hosts could be listened on, whatever the ports. Nothing is opened. */
enum err node_listen_check(const struct node_listen_opts *o, struct error *e);

#endif
