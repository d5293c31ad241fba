/* SPDX-License-Identifier: MIT */
/* doors.h - who may change values over HTTP.
 *
 * Another node may change a group if its address is one that peer_changes has (change/senders.h).
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

/* Each returns 1 if the change may go on. 0: it was refused, with *ok. */
int doors_admit_node(struct server *s, const struct answer_to *to, struct group *g, int *ok);
int doors_admit_client(struct server *s, const struct answer_to *to, struct group *g, int *ok);

#endif
