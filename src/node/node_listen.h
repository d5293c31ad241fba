/* SPDX-License-Identifier: MIT */
/* node_listen.h - the sockets of a node, and the errors when an address is taken. */
#ifndef NODE_LISTEN_H
#define NODE_LISTEN_H

#include <stddef.h>

#include "base/err.h"

enum { NODE_ADDRESS_BYTES = 300, NODE_MAX_SOCKETS = 3 };

/* The settings of the same names. Faces that have the same address share a socket. */
struct node_listen_opts {
    const char *listen;        /* peers and clients, unless they have addresses of their own */
    const char *peer_listen;   /* NULL: listen */
    const char *client_listen; /* NULL: listen */
    const char *admin_listen;
    int admin_moves; /* admin_listen is a default and may move to any free port */
};

struct node_socket {
    int fd;         /* -1: a server has taken it */
    unsigned faces; /* enum server_face, or-ed */
    int passed;     /* 1: the service manager opened it (base/activation.h), and keeps it */
    char address[NODE_ADDRESS_BYTES];
};

struct node_sockets {
    struct node_socket list[NODE_MAX_SOCKETS];
    size_t n;
    int moved; /* 1: admin_listen is a default, was taken, and has moved */
};

/* Takes the sockets that were passed to the process, and opens the others. A passed socket belongs
 * to the setting of its name; another name counts for nothing, and the address decides. A single
 * socket that fits no setting is for clients. On an error the caller still owns those that are
 * open. */
enum err node_listen(const struct node_listen_opts *o, struct node_sockets *out, struct error *e);

/* Whether a node could listen on their hosts, on any port. Opens nothing. */
enum err node_listen_check(const struct node_listen_opts *o, struct error *e);

/* The real address of a face. */
const char *node_listen_address(const struct node_sockets *s, unsigned face);

/* Closes the sockets that no server has taken, and removes the files of UNIX sockets. */
void node_listen_close(struct node_sockets *s);

#endif
