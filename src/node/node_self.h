/* SPDX-License-Identifier: MIT */
/* node_self.h - a node's own URL. */
#ifndef NODE_SELF_H
#define NODE_SELF_H

#include "base/err.h"
#include "node/node_listen.h"

enum { NODE_SELF_BYTES = NODE_ADDRESS_BYTES + 64 };

struct node_self_opts {
    int find;         /* other nodes must reach the URL; 0: it is where the node listens */
    const char *host; /* how other hosts see this one, IPv6 in brackets; NULL: that is not known */
    int remote;       /* the source of the peers is on another host */
};

/* Writes the URL of a node that listens for peers at `address`, "host:port" or "unix:PATH". INVAL:
 * no other node could reach it. */
enum err node_self_url(const struct node_self_opts *o, const char *scheme, const char *address,
                       char out[NODE_SELF_BYTES], struct error *e);

#endif
