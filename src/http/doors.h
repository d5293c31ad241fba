/* SPDX-License-Identifier: MIT */
/* doors.h - who may ask as a node, and who may change values over HTTP.
 *
 * If tls.client_auth is "peers", base_path is for connections with a certificate of the CA. If
 * there is a peer_secret, requests to base_path are signed, or changes only (peer_secret_for). A
 * change is not taken twice.
 *
 * Another node may change a group if it has proven by certificate or signature that it is one, or
 * if its address is one that peer_changes has (change/senders.h). If tls.client_auth is "all",
 * clients have certificates, too, so these prove nothing.
 *
 * A client may if the group is writable, and it has the token or the network that the group asks
 * for. A browser sends the header Origin with a change; it may come from a page of the same host
 * only, and may never act as a node.
 *
 * HTTP threads only, for the connection that is being handled. */
#ifndef DOORS_H
#define DOORS_H

struct answer_to;
struct asked;
struct auth_claim;
struct error;
struct group;
struct request_line;
struct server;

/* Whether doors_admit_peer() could refuse a request. */
int doors_ask_for_proof(const struct server *s);

/* A request to base_path, before anything else is done with it; its line has the path alone.
 * Returns 1 if it may go on, and notes in a->to whether its sender has proven to be a node. 0: it
 * was refused, with *ok. */
int doors_admit_peer(struct asked *a, const struct request_line *line, struct auth_claim *claim,
                     int *ok);

/* Each returns 1 if the change may go on. 0: it was refused, with *ok. */
int doors_admit_node(struct server *s, const struct answer_to *to, struct group *g, int *ok);
int doors_admit_client(struct server *s, const struct answer_to *to, struct group *g, int *ok);

/* Logs that a node's set came too late to be carried out; e says so. */
void doors_note_late(struct server *s, const struct answer_to *to, struct group *g,
                     const struct error *e);

#endif
