/* SPDX-License-Identifier: MIT */
/* doors.h - who may ask as a node, and who may change values over HTTP.
 *
 * If tls.client_auth is "peers", base_path is for connections with a certificate of the CA.
 *
 * Another node may change a group if it has proven by its certificate that it is one, or if its
 * address is one that peer_changes has (change/senders.h). If tls.client_auth is "all", clients
 * have certificates, too, so these prove nothing.
 *
 * A client may if the group is writable, and it has the token or the network that the group asks
 * for. A browser sends the header Origin with a change; it may come from a page of the same host
 * only, and may never act as a node.
 *
 * HTTP threads only, for the connection that is being handled. */
#ifndef DOORS_H
#define DOORS_H

struct answer_to;
struct group;
struct server;
struct tls_conn;

/* A request to base_path, before anything else is done with it. Returns 1 if it may go on, and
 * notes in `to` whether its sender has proven to be a node. 0: it was refused, with *ok. */
int doors_admit_peer(struct server *s, struct answer_to *to, const struct tls_conn *tls, int *ok);

/* Each returns 1 if the change may go on. 0: it was refused, with *ok. */
int doors_admit_node(struct server *s, const struct answer_to *to, struct group *g, int *ok);
int doors_admit_client(struct server *s, const struct answer_to *to, struct group *g, int *ok);

#endif
